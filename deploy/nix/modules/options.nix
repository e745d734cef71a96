# What an operator can say about a hive; each option names the variable of the services it sets.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.hyperhive;
  inherit (lib) mkOption mkEnableOption types;
in
{
  options.services.hyperhive = {
    enable = mkEnableOption "hyperhive, a swarm of Claude Code agents in containers";

    package = lib.mkPackageOption pkgs "hyperhive" { };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Open the dashboard's port. Agents' own pages and the bus stay on the loopback. The
        dashboard speaks plain HTTP: put a proxy with TLS before it, or reach it through a VPN.
      '';
    };

    stateDir = mkOption {
      type = types.path;
      default = "/var/lib/hyperhive";
      description = "Everything that survives a reboot (`HIVE_HOME`).";
    };

    runtimeDir = mkOption {
      type = types.path;
      default = "/run/hyperhive";
      readOnly = true;
      description = "Bus keys and sockets of the agents (`HIVE_RUN`); kept across restarts.";
    };

    operators = mkOption {
      type = types.listOf types.str;
      default = [ "root" ];
      example = [
        "ada"
        "grace"
      ];
      description = ''
        Names of the people who run this hive. Each gets a bus key below
        `''${stateDir}/keys/operators`; every decision is recorded under the name of its key.
        A name taken off this list keeps its key: `hive operator` removes it.
      '';
    };

    manager.enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the hive has a manager, the agent `hm1nd` (`HIVE_MANAGER`).";
    };

    bus = {
      package = lib.mkPackageOption pkgs "nats-server" { };
      port = mkOption {
        type = types.port;
        default = 4222;
        description = "Port of the bus on 127.0.0.1 (`HIVE_NATS_URL`).";
      };
      monitorPort = mkOption {
        type = types.port;
        default = 7222;
        description = "Port of the bus server's own pages on 127.0.0.1 (`HIVE_NATS_MONITOR_PORT`); 0 is off.";
      };
    };

    dashboard = {
      host = mkOption {
        type = types.str;
        default = "127.0.0.1";
        description = "Address the dashboard listens on (`HIVE_DASHBOARD_HOST`); systemd holds the port.";
      };
      port = mkOption {
        type = types.port;
        default = 7000;
        description = "Port of the dashboard (`HIVE_DASHBOARD_PORT`).";
      };
    };

    meta = {
      hyperhive = mkOption {
        type = types.str;
        example = "github:example/hyperhive";
        description = ''
          Flake that the agents' systems take the harness from (`HIVE_META_HYPERHIVE`). From this
          project's flake it is the very tree that the host was built from.
        '';
      };
      nixpkgs = mkOption {
        type = types.str;
        default = "github:NixOS/nixpkgs/nixos-25.11";
        description = "nixpkgs of the agents' systems (`HIVE_META_NIXPKGS`).";
      };
      nixpkgs-unstable = mkOption {
        type = types.str;
        default = "github:NixOS/nixpkgs/nixos-unstable";
        description = "Where the agents' claude-code comes from (`HIVE_META_NIXPKGS_UNSTABLE`).";
      };
    };

    startTimeout = mkOption {
      type = types.strMatching "[1-9][0-9]*(s|min|h)";
      default = "5min";
      description = ''
        How long an agent's container may take to start or to reload (`90s`, `5min`, `1h`;
        `HIVE_START_TIMEOUT`). nixos-container's own minute is short when all agents start at once.
      '';
    };

    environmentFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/hyperhive.env";
      description = ''
        File with further variables for all services, read by systemd as root. For what must not
        be in the world-readable Nix store.
      '';
    };

    settings = mkOption {
      type = types.submodule {
        freeformType = types.attrsOf (
          types.oneOf [
            types.str
            types.int
            types.path
          ]
        );
      };
      default = { };
      example = {
        HIVE_START_PARALLEL = 3;
      };
      description = ''
        Further variables of the services, by their names; see docs/operations.md. What an option
        above sets cannot be set here as well.
      '';
    };

    forge = {
      enable = mkEnableOption "a Forgejo for the agents: an account and a token each";
      container = mkOption {
        type = types.bool;
        default = true;
        description = "Whether to run a Forgejo of our own, in the container `hive-forge`.";
      };
      port = mkOption {
        type = types.port;
        default = 3000;
        description = "Port of our own Forgejo on 127.0.0.1.";
      };
      url = mkOption {
        type = types.str;
        default = "http://127.0.0.1:${toString cfg.forge.port}";
        defaultText = lib.literalExpression ''"http://127.0.0.1:''${toString forge.port}"'';
        description = "Where the Forgejo answers (`HIVE_FORGE_URL`).";
      };
      tokenFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = ''
          File with an administrator's token of a Forgejo that exists already. Our own container
          makes its token itself.
        '';
      };
      webhookPort = mkOption {
        type = types.port;
        default = 0;
        description = ''
          Port on 127.0.0.1 for the forge's webhooks (`HIVE_FORGE_WEBHOOK_PORT`), so that
          notifications arrive at once; 0 looks for them every 15 seconds.
        '';
      };
    };
  };
}
