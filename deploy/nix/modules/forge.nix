# A Forgejo of our own in the container `hive-forge`: closed to the world, ready without a hand.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.hyperhive;
  shared = "${cfg.stateDir}/forge";
in
{
  config = lib.mkIf (cfg.enable && cfg.forge.enable && cfg.forge.container) {
    systemd.tmpfiles.rules = [ "d ${shared} 0700 root root -" ];

    containers.hive-forge = {
      autoStart = true;
      # The host's network: agents and services reach it on the loopback.
      privateNetwork = false;
      bindMounts."/run/hive-forge" = {
        hostPath = shared;
        isReadOnly = false;
      };
      config =
        { config, pkgs, ... }:
        let
          forgejo = config.services.forgejo;
          admin = pkgs.writeShellScript "hive-forge-admin" ''
            set -eu
            token=/run/hive-forge/admin-token
            # The mark lies with Forgejo's own data: without these the token is one of nothing.
            made=${forgejo.stateDir}/.hive-admin-token
            [ -s "$token" ] && [ -e "$made" ] && exit 0
            run() { ${pkgs.util-linux}/bin/runuser -u ${forgejo.user} -- "$@"; }
            forgejo() {
              run env FORGEJO_WORK_DIR=${forgejo.stateDir} ${forgejo.package}/bin/forgejo \
                --config ${forgejo.customDir}/conf/app.ini "$@"
            }
            forgejo admin user list --admin | grep -qw hive-admin ||
              forgejo admin user create --admin --username hive-admin \
                --email hive-admin@localhost --random-password --must-change-password=false
            umask 077
            forgejo admin user generate-access-token --username hive-admin \
              --token-name "hive-$(date +%s)" --scopes all --raw > "$token.tmp"
            mv "$token.tmp" "$token"
            touch "$made"
          '';
        in
        {
          services.forgejo = {
            enable = true;
            database.type = "sqlite3";
            settings = {
              server = {
                HTTP_ADDR = "127.0.0.1";
                HTTP_PORT = cfg.forge.port;
                ROOT_URL = "${cfg.forge.url}/";
                # Port 22 is the host's own.
                DISABLE_SSH = true;
                START_SSH_SERVER = false;
              };
              service.DISABLE_REGISTRATION = true;
              # The gateway listens there, if anywhere.
              webhook.ALLOWED_HOST_LIST = "loopback";
              federation.ENABLED = false;
              openid = {
                ENABLE_OPENID_SIGNIN = false;
                ENABLE_OPENID_SIGNUP = false;
              };
              session.PROVIDER = "db";
              actions.ENABLED = false;
            };
          };
          systemd.services.hive-forge-admin = {
            description = "An administrator's token for the hive";
            wantedBy = [ "multi-user.target" ];
            requires = [ "forgejo.service" ];
            after = [ "forgejo.service" ];
            serviceConfig = {
              Type = "oneshot";
              RemainAfterExit = true;
              ExecStart = admin;
              Restart = "on-failure";
              RestartSec = 2;
            };
          };
          networking.firewall.enable = false;
          system.stateVersion = "25.11";
        };
    };
  };
}
