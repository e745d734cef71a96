# The options of NixOS that only the container of the forge sets. The values that the module reads
# are those of nixpkgs' own module.
{ lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  given =
    type: default:
    mkOption { inherit type default; };
in
{
  options.services.forgejo = {
    enable = given types.bool false;
    package = given types.package pkgs.forgejo-lts;
    user = given types.str "forgejo";
    stateDir = given types.str "/var/lib/forgejo";
    customDir = given types.str "/var/lib/forgejo/custom";
    database.type = given (types.enum [ "sqlite3" "mysql" "postgres" ]) "sqlite3";
    settings = given (types.attrsOf (types.attrsOf types.anything)) { };
  };
}
