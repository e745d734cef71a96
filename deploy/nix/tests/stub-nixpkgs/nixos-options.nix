# The options of NixOS that this project's modules set, by their names and types.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  option =
    type: default:
    mkOption { inherit type default; };
  strings = option (types.listOf types.str) [ ];
  free = option (types.attrsOf types.anything) { };
  unit = {
    enable = option types.bool true;
    description = option types.str "";
    wants = strings;
    requires = strings;
    after = strings;
    before = strings;
    wantedBy = strings;
    unitConfig = free;
  };
  service = types.submodule {
    options = unit // {
      path = option (types.listOf (types.either types.package types.str)) [ ];
      environment = option (types.attrsOf (types.nullOr (types.oneOf [ types.str types.path ]))) { };
      serviceConfig = free;
      script = option types.lines "";
      restartIfChanged = option types.bool true;
      stopIfChanged = option types.bool true;
      startLimitIntervalSec = mkOption { type = types.nullOr types.int; default = null; };
    };
  };
  socket = types.submodule {
    options = unit // {
      listenStreams = strings;
      socketConfig = free;
    };
  };
in
{
  options = {
    assertions = option (types.listOf types.anything) [ ];
    boot = {
      enableContainers = option types.bool false;
      isNspawnContainer = option types.bool false;
      isContainer = option types.bool false;
      loader = free;
    };
    fileSystems = free;
    containers = free;
    documentation.enable = option types.bool true;
    environment = {
      systemPackages = option (types.listOf types.package) [ ];
      variables = free;
      sessionVariables = option (types.attrsOf types.str) { };
      etc = free;
    };
    networking = {
      hostName = option types.str "nixos";
      useDHCP = option types.bool true;
      firewall = {
        enable = option types.bool true;
        allowedTCPPorts = option (types.listOf types.port) [ ];
      };
    };
    nix.package = mkOption { type = types.package; };
    nixpkgs = {
      overlays = option (types.listOf types.anything) [ ];
      config = free;
      hostPlatform = option types.str "x86_64-linux";
    };
    system = {
      stateVersion = option types.str "25.11";
      build = free;
    };
    systemd = {
      services = option (types.attrsOf service) { };
      sockets = option (types.attrsOf socket) { };
      tmpfiles.rules = strings;
    };
  };
}
