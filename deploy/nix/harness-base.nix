# The base of every agent's system: a container that runs the harness, and claude with its tools.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.hyperhive;
  inherit (lib) mkDefault mkOption types;
in
{
  options.hyperhive = {
    agent = mkOption {
      type = types.strMatching "[a-z0-9]([a-z0-9-]{0,7}[a-z0-9])?";
      description = "Name of the agent that lives here.";
    };
    revision = mkOption {
      type = types.str;
      default = "";
      description = "Revision of hyperhive that this system was made from.";
    };
    package = mkOption {
      type = types.package;
      default = pkgs.hyperhive;
      defaultText = lib.literalExpression "pkgs.hyperhive";
      description = "The package with `hive-harness` and `hive-forge`.";
    };
    forgeRepo = mkOption {
      type = types.str;
      default = "";
      description = "Repository that `hive-forge` works on without `-r` (`HIVE_FORGE_REPO`).";
    };
  };

  config = {
    boot.isNspawnContainer = true;

    # An agent's nixosConfiguration has a nixpkgs of its own: what the host allows does not count.
    nixpkgs.config.allowUnfreePredicate = import ./unfree.nix lib;

    networking = {
      hostName = mkDefault cfg.agent;
      useDHCP = false;
      # The network is the host's, and so is its firewall.
      firewall.enable = false;
    };

    environment.systemPackages = [
      pkgs.git
      pkgs.claude-code
      cfg.package
    ];

    systemd.services.hive-harness = {
      description = "hyperhive: the harness of ${cfg.agent}";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      # Whatever an agent's agent.nix adds to environment.systemPackages is there for its shell.
      path = [
        pkgs.git
        "/run/current-system/sw"
      ];
      environment = {
        HOME = "/root";
        HYPERHIVE_STATE_DIR = "/state";
        HIVE_AGENT_RUN = "/run/hive";
        CLAUDE_CONFIG_DIR = "/root/.claude";
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1";
        HIVE_CLAUDE_CLI = "${pkgs.claude-code}/bin/claude";
        HIVE_FORGE_REPO = cfg.forgeRepo;
        HIVE_REVISION = cfg.revision;
        # Updates come with the system; the store is read-only anyway.
        DISABLE_AUTOUPDATER = "1";
      };
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/hive-harness";
        WorkingDirectory = "/state";
        Restart = "always";
        RestartSec = 1;
        # A turn's tools must not outlive the harness that started them.
        KillMode = "control-group";
        TimeoutStopSec = 30;
      };
      startLimitIntervalSec = 0;
    };

    documentation.enable = mkDefault false;
    system.stateVersion = mkDefault "25.11";
  };
}
