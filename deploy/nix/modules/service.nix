# What the hive's units have in common. `cfg` is config.services.hyperhive.
{ lib, cfg }:
let
  own = {
    HIVE_HOME = toString cfg.stateDir;
    HIVE_RUN = toString cfg.runtimeDir;
    HIVE_RUNTIME = "nixos";
    HIVE_MANAGER = if cfg.manager.enable then "on" else "off";
    HIVE_NATS_URL = "nats://127.0.0.1:${toString cfg.bus.port}";
    HIVE_NATS_MONITOR_PORT = toString cfg.bus.monitorPort;
    HIVE_DASHBOARD_HOST = cfg.dashboard.host;
    HIVE_DASHBOARD_PORT = toString cfg.dashboard.port;
  }
  // lib.optionalAttrs cfg.forge.enable { HIVE_FORGE_URL = cfg.forge.url; };
in
{
  inherit own;
  environment = lib.mapAttrs (_: toString) cfg.settings // own;

  # Every part restarts alone: ordered after the bus, but neither stopped nor restarted with it.
  unit = {
    wantedBy = [ "multi-user.target" ];
    wants = [ "hyperhive-bus.service" ];
    after = [
      "hyperhive-bus.service"
      "systemd-tmpfiles-setup.service"
    ];
    stopIfChanged = false;
    startLimitIntervalSec = 0;
  };

  serviceConfig = {
    Type = "notify";
    Restart = "always";
    RestartSec = 1;
    UMask = "0077";
    StateDirectory = lib.mkIf (cfg.stateDir == "/var/lib/hyperhive") "hyperhive";
    StateDirectoryMode = "0700";
    EnvironmentFile = lib.mkIf (cfg.environmentFile != null) cfg.environmentFile;
  };

  # Tried one by one and together with nixos-container under it.
  hardening = {
    ProtectSystem = "strict";
    ReadWritePaths = [ cfg.stateDir ];
    ProtectHome = true;
    PrivateTmp = true;
    PrivateDevices = true;
    ProtectKernelTunables = true;
    ProtectKernelModules = true;
    ProtectKernelLogs = true;
    ProtectControlGroups = true;
    ProtectClock = true;
    ProtectHostname = true;
    NoNewPrivileges = true;
    RestrictSUIDSGID = true;
    LockPersonality = true;
    RestrictRealtime = true;
    RestrictAddressFamilies = [
      "AF_UNIX"
      "AF_INET"
      "AF_INET6"
      "AF_NETLINK"
    ];
    SystemCallArchitectures = "native";
  };

  # For services that start no containers: root by its files alone, without a capability.
  confined = {
    CapabilityBoundingSet = "";
    RestrictNamespaces = true;
    SystemCallFilter = [ "@system-service" ];
    InaccessiblePaths = [
      "-${cfg.stateDir}/agents"
      "-${cfg.stateDir}/applied"
      "-${cfg.stateDir}/meta"
    ];
  };
}
