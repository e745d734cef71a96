# The options of services.hyperhive as CommonMark, rendered by nixpkgs' own tool.
{
  lib,
  nixosOptionsDoc,
}:
let
  declared = lib.evalModules {
    modules = [
      ./modules
      { _module.check = false; }
    ];
    specialArgs.pkgs = {
      hyperhive = "pkgs.hyperhive";
      nats-server = "pkgs.nats-server";
    };
  };
in
(nixosOptionsDoc {
  options = { inherit (declared.options.services) hyperhive; };
  documentType = "none";
}).optionsCommonMark
