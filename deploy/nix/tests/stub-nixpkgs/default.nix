# The packages that this project's Nix files name, as derivations that build an empty file.
{
  system ? "x86_64-linux",
  config ? { },
  overlays ? [ ],
}:
let
  lib = import ./lib.nix;
  derive =
    name: attributes:
    attributes
    // derivation {
      inherit name system;
      builder = "/bin/sh";
      args = [
        "-c"
        ": > $out"
      ];
    }
    // {
      pname = attributes.pname or name;
      meta = attributes.meta or { };
    };
  named = names: lib.genAttrs names (name: derive name { });
  unfree =
    name:
    if (config.allowUnfreePredicate or (_: false)) { pname = name; } then
      derive name { }
    else
      throw "Package ‘${name}’ has an unfree license, refusing to evaluate.";

  base =
    final:
    named [
      "bubblewrap"
      "chromium"
      "coreutils"
      "e2fsprogs"
      "git"
      "jq"
      "makeWrapper"
      "nats-server"
      "natscli"
      "nix"
      "nixfmt-tree"
      "python3"
      "util-linux"
      "uv"
    ]
    // {
      inherit lib;
      stdenv.hostPlatform = { inherit system; };
      claude-code = unfree "claude-code";
      callPackage =
        file: arguments:
        let
          call = if builtins.isFunction file then file else import file;
        in
        call (builtins.intersectAttrs (builtins.functionArgs call) final // arguments);
      extend = overlay: fix (extends overlay base');
      mkShell = attributes: derive "shell" attributes;
      symlinkJoin = attributes: derive attributes.name attributes;
      writeShellScript = name: text: derive name { inherit text; };
      nixosOptionsDoc = { options, documentType }: { optionsCommonMark = derive "options.md" { }; };
      testers.runNixOSTest = test: derive "vm-test-run-${test.name}" { };
      # nixpkgs has every one of these under python3Packages.
      python3Packages =
        named [
          "alembic"
          "anyio"
          "asyncpg"
          "claude-agent-sdk"
          "click"
          "fastapi"
          "hatchling"
          "httpx"
          "itsdangerous"
          "mcp"
          "msgspec"
          "nats-py"
          "nkeys"
          "psutil"
          "pydantic"
          "python-multipart"
          "rich"
          "setuptools"
          "sqlalchemy"
          "starlette"
          "structlog"
          "tenacity"
          "tomlkit"
          "uvicorn"
          "uvloop"
          "websockets"
        ]
        // {
          buildPythonPackage = attributes: derive "${attributes.pname}-${attributes.version}" attributes;
        };
    };

  fix = f: let self = f self; in self;
  extends = overlay: f: final: let prev = f final; in prev // overlay final prev // { extend = another: fix (extends another (extends overlay f)); };
  base' = base;
in
fix (builtins.foldl' (f: overlay: extends overlay f) base overlays)
