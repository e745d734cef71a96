# approvals: changes, questions and schedules that wait; owns its sqlite file.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.hyperhive;
  common = import ./service.nix { inherit lib cfg; };
in
{
  config = lib.mkIf cfg.enable {
    systemd.services.hyperhive-approvals = common.unit // {
      description = "hyperhive: approvals";
      inherit (common) environment;
      serviceConfig =
        common.serviceConfig
        // common.hardening
        // common.confined
        // {
          ExecStart = "${cfg.package}/bin/hive-approvals";
        };
    };
  };
}
