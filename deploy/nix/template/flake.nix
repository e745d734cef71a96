{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
    hyperhive.url = "github:hyperhive/hyperhive";
    hyperhive.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { nixpkgs, hyperhive, ... }:
    {
      nixosConfigurations.hive = nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        modules = [
          ./configuration.nix
          hyperhive.nixosModules.default
          {
            services.hyperhive.enable = true;
            services.hyperhive.operators = [ "ada" ];
          }
        ];
      };
    };
}
