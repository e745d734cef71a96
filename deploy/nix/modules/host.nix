# What the host itself needs: nixos-container, directories, the `hive` command, refusals.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.hyperhive;
  common = import ./service.nix { inherit lib cfg; };
  agentPorts = {
    first = 8100;
    last = 8999;
  };
  managerPort = 8000;
  ports = {
    "bus.port" = cfg.bus.port;
    "dashboard.port" = cfg.dashboard.port;
  }
  // lib.optionalAttrs (cfg.bus.monitorPort != 0) { "bus.monitorPort" = cfg.bus.monitorPort; }
  // lib.optionalAttrs (cfg.forge.enable && cfg.forge.container) { "forge.port" = cfg.forge.port; }
  // lib.optionalAttrs (cfg.forge.enable && cfg.forge.webhookPort != 0) {
    "forge.webhookPort" = cfg.forge.webhookPort;
  };
  names = builtins.attrNames ports;
  twins = builtins.filter (
    name: builtins.any (other: other < name && ports.${other} == ports.${name}) names
  ) names;
  inAgents = builtins.filter (
    name:
    ports.${name} == managerPort || (ports.${name} >= agentPorts.first && ports.${name} <= agentPorts.last)
  ) names;
  taken = builtins.filter (name: cfg.settings ? ${name}) (builtins.attrNames common.own);
in
{
  config = lib.mkIf cfg.enable {
    boot.enableContainers = true;

    environment.systemPackages = [ cfg.package ];
    # So that `hive` finds the same hive as the units do, under sudo too: PAM sets these, while a
    # shell's own variables end at sudo.
    environment.sessionVariables = common.own;

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [ cfg.dashboard.port ];

    # nixos-container makes these at its first use, which is too late for ReadWritePaths=.
    systemd.tmpfiles.rules = [
      "d ${cfg.stateDir} 0700 root root -"
      "d /etc/nixos-containers 0755 root root -"
      "d /var/lib/nixos-containers 0700 root root -"
      "d /nix/var/nix/profiles/per-container 0700 root root -"
      "d /nix/var/nix/gcroots/per-container 0700 root root -"
    ];

    # nixos-container's own minute counts for starts and for reloads.
    systemd.services."container@".serviceConfig.TimeoutStartSec = lib.mkForce cfg.startTimeout;

    assertions = [
      {
        assertion = twins == [ ];
        message = "services.hyperhive: two options have the same port: ${lib.concatStringsSep ", " twins}";
      }
      {
        assertion = inAgents == [ ];
        message = "services.hyperhive: ${lib.concatStringsSep ", " inAgents} takes a port of the agents' pages (8000 and 8100 to 8999)";
      }
      {
        assertion = cfg.operators != [ ];
        message = "services.hyperhive.operators: a hive needs at least one operator";
      }
      {
        assertion = builtins.all (name: builtins.match "[a-z0-9]([a-z0-9._-]{0,30}[a-z0-9])?" name != null) cfg.operators;
        message = "services.hyperhive.operators: a name is 1 to 32 of a-z, 0-9, '.', '_' and '-', with a letter or digit at both ends";
      }
      {
        assertion = builtins.match "/[A-Za-z0-9_./+-]+" (toString cfg.stateDir) != null;
        message = "services.hyperhive.stateDir: '${toString cfg.stateDir}' cannot be bound into containers; use A-Z a-z 0-9 _ . / + - only";
      }
      {
        assertion = builtins.match "[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*" cfg.dashboard.host != null;
        message = "services.hyperhive.dashboard.host: systemd listens on addresses, and '${cfg.dashboard.host}' is none";
      }
      {
        assertion = taken == [ ];
        message = "services.hyperhive.settings: ${lib.concatStringsSep ", " taken} has an option of its own";
      }
      {
        assertion = builtins.all (name: builtins.match "[A-Z][A-Z0-9_]*" name != null) (
          builtins.attrNames cfg.settings
        );
        message = "services.hyperhive.settings: its names are those of environment variables";
      }
      {
        assertion = !cfg.forge.enable || cfg.forge.container || cfg.forge.tokenFile != null;
        message = "services.hyperhive.forge: an existing Forgejo needs forge.tokenFile";
      }
    ];
  };
}
