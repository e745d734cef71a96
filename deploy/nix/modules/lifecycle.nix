# lifecycle: containers, bus identity, config repos. The one part that needs root's powers.
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
    systemd.services.hyperhive-lifecycle = common.unit // {
      description = "hyperhive: agents and their containers";
      # Each entry gets /bin appended. The system's own path has the nixos-container whose
      # directories fit this host's stateVersion.
      path = [
        pkgs.git
        "/run/current-system/sw"
        config.nix.package
        pkgs.util-linux
        pkgs.e2fsprogs
      ];
      environment = common.environment // {
        HYPERHIVE_GIT = "${pkgs.git}/bin/git";
        HIVE_META_HYPERHIVE = cfg.meta.hyperhive;
        HIVE_META_NIXPKGS = cfg.meta.nixpkgs;
        HIVE_META_NIXPKGS_UNSTABLE = cfg.meta.nixpkgs-unstable;
        HIVE_START_TIMEOUT = cfg.startTimeout;
        NIX_REMOTE = "daemon";
        NIX_CONFIG = "extra-experimental-features = nix-command flakes";
        HOME = "/var/cache/hyperhive";
        XDG_CACHE_HOME = "/var/cache/hyperhive";
      };
      serviceConfig =
        common.serviceConfig
        // common.hardening
        // {
          ExecStart = "${cfg.package}/bin/hive-lifecycle";
          # A rebuild may be under way: it is finished or failed at the next start.
          TimeoutStopSec = 30;
          CacheDirectory = "hyperhive";
          RuntimeDirectory = "hyperhive";
          RuntimeDirectoryMode = "0700";
          # The containers' binds point in here: without it no container starts again after a
          # restart of this unit.
          RuntimeDirectoryPreserve = "yes";
          ReadWritePaths = [
            cfg.stateDir
            "-/etc/nixos-containers"
            "-/var/lib/nixos-containers"
            "-/nix/var/nix/profiles/per-container"
            "-/nix/var/nix/gcroots/per-container"
            "-/run/lock"
            # Agents' limits are drop-ins of their containers' units.
            "-/run/systemd/system"
          ];
          SystemCallFilter = [
            "@system-service"
            "@mount"
          ];
          CapabilityBoundingSet = [
            "CAP_SYS_ADMIN"
            "CAP_SYS_PTRACE"
            "CAP_SYS_CHROOT"
            "CAP_DAC_OVERRIDE"
            "CAP_DAC_READ_SEARCH"
            "CAP_FOWNER"
            "CAP_CHOWN"
            "CAP_SETUID"
            "CAP_SETGID"
            "CAP_KILL"
            "CAP_LINUX_IMMUTABLE"
          ];
        };
    };
  };
}
