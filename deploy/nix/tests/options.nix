# The options of services.hyperhive as data, for the page docs/nixos-options.md.
let
  lib = import ./stub-nixpkgs/lib.nix;
  pkgs = {
    hyperhive = "pkgs.hyperhive";
    nats-server = "pkgs.nats-server";
  };
  inherit
    (lib.evalModules {
      modules = [
        ./stub-nixpkgs/nixos-options.nix
        ../modules
      ];
      specialArgs = { inherit pkgs; };
    })
    options
    ;
  text = value: if value ? _type then value.text else builtins.toJSON value;
  flatten =
    path: tree:
    if lib.isOption tree then
      [
        {
          name = path;
          type = tree.type.name;
          description = tree.description or "";
          default =
            if tree ? defaultText then
              (if builtins.isString tree.defaultText then tree.defaultText else text tree.defaultText)
            else if tree ? default then
              text tree.default
            else
              null;
          example = if tree ? example then text tree.example else null;
        }
      ]
    else
      builtins.concatMap (name: flatten "${path}.${name}" tree.${name}) (builtins.attrNames tree);
in
flatten "services.hyperhive" options.services.hyperhive
