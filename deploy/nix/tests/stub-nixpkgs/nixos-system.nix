# lib.nixosSystem with the options that this project's modules set.
{
  lib,
  modules,
  specialArgs,
}:
let
  evaluated = lib.evalModules {
    modules = [ ./nixos-options.nix ] ++ modules;
    specialArgs = specialArgs // { inherit pkgs; };
  };
  inherit (evaluated) config;
  pkgs = builtins.foldl' (pkgs: overlay: pkgs.extend overlay) (import ./. {
    inherit (config.nixpkgs) config;
  }) config.nixpkgs.overlays;
  failed = builtins.filter (each: !each.assertion) config.assertions;
  toplevel =
    if failed != [ ] then
      throw "Failed assertions: ${builtins.concatStringsSep "; " (map (each: each.message) failed)}"
    else
      derivation {
        name = "nixos-system-${config.networking.hostName}";
        system = "x86_64-linux";
        builder = "/bin/sh";
        args = [
          "-c"
          ": > $out"
        ];
        services = builtins.toJSON (
          builtins.mapAttrs (_: service: { inherit (service) environment serviceConfig; }) config.systemd.services
        );
        packages = config.environment.systemPackages;
      };
in
evaluated
// {
  inherit pkgs;
  config = config // {
    system = config.system // {
      build = config.system.build // {
        inherit toplevel;
      };
    };
  };
}
