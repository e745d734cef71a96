# The bus: nats-server with the configuration that lifecycle renders.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.hyperhive;
  common = import ./service.nix { inherit lib cfg; };
in
{
  config = lib.mkIf cfg.enable {
    systemd.services.hyperhive-bus = {
      description = "hyperhive: the bus";
      wantedBy = [ "multi-user.target" ];
      after = [
        "network.target"
        "systemd-tmpfiles-setup.service"
      ];
      stopIfChanged = false;
      startLimitIntervalSec = 0;
      inherit (common) environment;
      serviceConfig =
        common.serviceConfig
        // common.hardening
        // common.confined
        // {
          Type = "simple";
          # Idempotent: keys that exist are kept.
          ExecStartPre = map (
            name: "${cfg.package}/bin/hive-lifecycle prepare-bus --operator ${name}"
          ) cfg.operators;
          ExecStart = "${cfg.bus.package}/bin/nats-server --config ${cfg.stateDir}/bus/nats-server.conf";
          ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
          # One connection per agent, service, operator's tool and open page.
          LimitNOFILE = 65536;
        };
    };
  };
}
