# services.hyperhive: the bus, the services and what nixos-container needs, one file each.
{ ... }:
{
  imports = [
    ./options.nix
    ./host.nix
    ./bus.nix
    ./lifecycle.nix
    ./approvals.nix
    ./dashboard.nix
    ./forge-gw.nix
    ./forge.nix
  ];
}
