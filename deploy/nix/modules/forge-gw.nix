# forge-gw: accounts, tokens and notifications of a Forgejo.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.hyperhive;
  common = import ./service.nix { inherit lib cfg; };
  tokenFile = if cfg.forge.tokenFile != null then cfg.forge.tokenFile else "${cfg.stateDir}/forge/admin-token";
in
{
  config = lib.mkIf (cfg.enable && cfg.forge.enable) {
    systemd.services.hyperhive-forge-gw = common.unit // {
      description = "hyperhive: the forge's gateway";
      wants = common.unit.wants ++ lib.optional cfg.forge.container "container@hive-forge.service";
      after = common.unit.after ++ lib.optional cfg.forge.container "container@hive-forge.service";
      environment = common.environment // {
        HIVE_FORGE_TOKEN_FILE = "%d/forge-admin-token";
      };
      serviceConfig =
        common.serviceConfig
        // common.hardening
        // common.confined
        // {
          ExecStart = "${cfg.package}/bin/hive-forge-gw";
          LoadCredential = "forge-admin-token:${toString tokenFile}";
          # The forge writes agents' tokens into their state.
          InaccessiblePaths = [ "-${cfg.stateDir}/applied" ];
        };
    };
  };
}
