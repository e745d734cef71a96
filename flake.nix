{
  description = "hyperhive: a self-hosted swarm of Claude Code agents on one Linux host";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
    # claude-code and claude-agent-sdk change weekly; the stable branch lags too far behind.
    nixpkgs-unstable.url = "github:NixOS/nixpkgs/nixos-unstable";
  };

  outputs =
    {
      self,
      nixpkgs,
      nixpkgs-unstable,
    }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      eachSystem = lib.genAttrs systems;
      pkgsFor = eachSystem (system: nixpkgs.legacyPackages.${system});
      overlays = import ./deploy/nix/overlays.nix { inherit nixpkgs-unstable; };
      membersFor = eachSystem (system: (pkgsFor.${system}.extend overlays.default).hyperhiveMembers);
      revision = self.rev or self.dirtyRev or "dirty";
      # Operators set nothing: the module brings the package and the scoped unfree exception along.
      host = {
        imports = [ ./deploy/nix/modules ];
        nixpkgs.overlays = [ overlays.default ];
        services.hyperhive.settings.HIVE_REVISION = lib.mkDefault revision;
        services.hyperhive.meta.hyperhive = lib.mkDefault "path:${self}";
      };
      agent = {
        imports = [ ./deploy/nix/harness-base.nix ];
        nixpkgs.overlays = [
          overlays.claude-unstable
          overlays.default
        ];
        hyperhive.revision = lib.mkDefault revision;
      };
    in
    {
      inherit overlays;

      nixosModules = {
        hyperhive = host;
        default = host;
        harness-base = agent;
      };

      packages = eachSystem (
        system:
        membersFor.${system}
        // {
          default = membersFor.${system}.hyperhive;
          option-docs = pkgsFor.${system}.callPackage ./deploy/nix/option-docs.nix { };
        }
      );

      devShells = eachSystem (system: {
        default = pkgsFor.${system}.callPackage ./deploy/nix/dev-shell.nix { };
      });

      # `nix fmt` gives no file names: this one finds them.
      formatter = eachSystem (system: pkgsFor.${system}.nixfmt-tree);

      checks = eachSystem (system: {
        package = membersFor.${system}.hyperhive;
        # Boots a real NixOS with the module and one agent. Written without a machine to run it
        # on (it wants KVM and the network): read it as untested until your own run is green.
        vm = pkgsFor.${system}.callPackage ./deploy/nix/tests/vm.nix { hyperhive = host; };
      });

      templates.default = {
        path = ./deploy/nix/template;
        description = "A NixOS host that runs a hive";
      };
    };
}
