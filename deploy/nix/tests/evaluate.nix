# What a test asks of the modules: `nix-instantiate --eval --json --strict evaluate.nix --arg …`.
{
  host ? { },
  agent ? { },
  lib ? import ./stub-nixpkgs/lib.nix,
}:
let
  package = name: {
    inherit name;
    type = "derivation";
    outPath = "/stub/${name}";
  };
  # nixpkgs' makes a file of the text; here the text itself is looked at.
  pkgs = { writeShellScript = _name: text: text; } // builtins.listToAttrs (
    map
      (name: {
        inherit name;
        value = package name;
      })
      [
        "claude-code"
        "coreutils"
        "e2fsprogs"
        "forgejo-lts"
        "git"
        "hyperhive"
        "nats-server"
        "nix"
        "util-linux"
      ]
  );
  evaluate =
    modules:
    (lib.evalModules {
      modules = [ ./stub-nixpkgs/nixos-options.nix ] ++ modules;
      specialArgs = { inherit pkgs; };
    }).config;
  services = config: builtins.mapAttrs (_: service: removeAttrs service [ "enable" ] // { path = map toString service.path; }) config.systemd.services;
  hostConfig = evaluate [
    ../modules
    {
      nix.package = pkgs.nix;
      services.hyperhive.meta.hyperhive = lib.mkDefault "path:/stub/source";
    }
    host
  ];
  agentConfig = evaluate [
    ../harness-base.nix
    { hyperhive.agent = lib.mkDefault "alice"; }
    agent
  ];
  forgeConfig = evaluate [
    ./stub-nixpkgs/nixos-forgejo.nix
    hostConfig.containers.hive-forge.config
  ];
  allowed = agentConfig.nixpkgs.config.allowUnfreePredicate;
in
{
  host = {
    services = services hostConfig;
    inherit (hostConfig.systemd) sockets tmpfiles;
    inherit (hostConfig) boot;
    inherit (hostConfig.environment) sessionVariables;
    packages = map toString hostConfig.environment.systemPackages;
    firewall = hostConfig.networking.firewall.allowedTCPPorts;
    containers = builtins.mapAttrs (_: container: removeAttrs container [ "config" ]) hostConfig.containers;
    failed = map (each: each.message) (builtins.filter (each: !each.assertion) hostConfig.assertions);
  };
  forge = {
    services = services forgeConfig;
    inherit (forgeConfig.services) forgejo;
    firewall = forgeConfig.networking.firewall.enable;
  };
  agent = {
    services = services agentConfig;
    inherit (agentConfig) boot networking;
    packages = map toString agentConfig.environment.systemPackages;
    unfree = builtins.filter (pname: allowed { inherit pname; }) [
      "claude-code"
      "steam"
      "vscode"
    ];
  };
}
