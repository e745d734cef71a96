# dashboard: the operators' pages. systemd holds the port, so that nobody takes it in a restart.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.hyperhive;
  common = import ./service.nix { inherit lib cfg; };
  address = if lib.hasInfix ":" cfg.dashboard.host then "[${cfg.dashboard.host}]" else cfg.dashboard.host;
in
{
  config = lib.mkIf cfg.enable {
    systemd.sockets.hyperhive-dashboard = {
      description = "hyperhive: the dashboard's port";
      wantedBy = [ "sockets.target" ];
      listenStreams = [ "${address}:${toString cfg.dashboard.port}" ];
      socketConfig.ReusePort = false;
    };

    systemd.services.hyperhive-dashboard = common.unit // {
      description = "hyperhive: the dashboard";
      requires = [ "hyperhive-dashboard.socket" ];
      after = common.unit.after ++ [ "hyperhive-dashboard.socket" ];
      inherit (common) environment;
      serviceConfig =
        common.serviceConfig
        // common.hardening
        // common.confined
        // {
          ExecStart = "${cfg.package}/bin/hive-dashboard";
        };
    };
  };
}
