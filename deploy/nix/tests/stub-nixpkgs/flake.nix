{
  description = "As much of nixpkgs as this project's flakes ask for, so that they evaluate offline";

  outputs =
    { self }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      lib = import ./lib.nix // {
        nixosSystem =
          {
            modules,
            system ? null,
            specialArgs ? { },
          }:
          import ./nixos-system.nix { inherit lib modules specialArgs; };
      };
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs systems (system: import ./. { inherit system; });
    };
}
