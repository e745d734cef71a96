# forge-gw: accounts, tokens and notifications of a Forgejo.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.hyperhive;
  common = import ./service.nix { inherit lib cfg; };
  ownToken = cfg.forge.container && cfg.forge.tokenFile == null;
in
{
  config = lib.mkIf (cfg.enable && cfg.forge.enable) {
    systemd.services.hyperhive-forge-gw = common.unit // {
      description = "hyperhive: the forge's gateway";
      wants = common.unit.wants ++ lib.optional cfg.forge.container "container@hive-forge.service";
      after = common.unit.after ++ lib.optional cfg.forge.container "container@hive-forge.service";
      # It pushes the mirrors.
      path = [ pkgs.git ];
      environment =
        common.environment
        // {
          HYPERHIVE_GIT = "${pkgs.git}/bin/git";
          # Our own container makes the token at its first start; until then the gateway says what
          # it waits for, where a credential that is not there would keep it from starting.
          HIVE_FORGE_TOKEN_FILE =
            if ownToken then "${cfg.stateDir}/forge/admin-token" else "%d/forge-admin-token";
        }
        // lib.optionalAttrs (cfg.forge.webhookPort != 0) {
          HIVE_FORGE_WEBHOOK_PORT = toString cfg.forge.webhookPort;
        };
      serviceConfig =
        common.serviceConfig
        // common.hardening
        // removeAttrs common.confined [ "InaccessiblePaths" ]
        // {
          ExecStart = "${cfg.package}/bin/hive-forge-gw";
          # It writes agents' tokens into their state, and mirrors what these two hold.
          ReadOnlyPaths = [
            "-${cfg.stateDir}/applied"
            "-${cfg.stateDir}/meta"
          ];
        }
        // lib.optionalAttrs (!ownToken) {
          LoadCredential = "forge-admin-token:${toString cfg.forge.tokenFile}";
        };
    };
  };
}
