# A small part of nixpkgs' lib: enough to evaluate this project's modules with nix alone, in tests.
# Its module system merges, discharges mkIf/mkMerge/mkOverride, checks types and unknown options.
let
  inherit (builtins)
    all
    any
    attrNames
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    functionArgs
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isPath
    isString
    length
    listToAttrs
    mapAttrs
    match
    removeAttrs
    typeOf
    ;

  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  optionalString = condition: text: if condition then text else "";
  unique = foldl' (found: each: if elem each found then found else found ++ [ each ]) [ ];
  getAttr = name: set: set.${name};
  attrValues = set: map (name: set.${name}) (attrNames set);
  genAttrs =
    names: f:
    listToAttrs (
      map (name: {
        inherit name;
        value = f name;
      }) names
    );
  showOption = loc: builtins.concatStringsSep "." (map toString loc);

  # Markers, as nixpkgs spells them.
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOption =
    arguments:
    arguments
    // {
      _type = "option";
    };
  typeOfMarker = value: if isAttrs value then value._type or null else null;

  # [{ file, value }] without mkMerge and mkIf; what remains may still be an override.
  discharge =
    def:
    let
      kind = typeOfMarker def.value;
      again = value: discharge (def // { inherit value; });
    in
    if kind == "merge" then
      concatMap again def.value.contents
    else if kind == "if" then
      if def.value.condition then again def.value.content else [ ]
    else if kind == "override" then
      map (inner: { inherit (def.value) priority; } // inner) (again def.value.content)
    else
      [ def ];

  defaultPriority = 100;
  strongest =
    defs:
    let
      priority = def: def.priority or defaultPriority;
      best = foldl' (low: def: if priority def < low then priority def else low) 10000 defs;
    in
    filter (def: priority def == best) defs;

  # Push mkIf and friends one level down, so that the names below can be seen lazily.
  pushDown =
    value:
    let
      kind = typeOfMarker value;
    in
    if kind == "merge" then
      concatMap pushDown value.contents
    else if kind == "if" then
      map (mapAttrs (_: mkIf value.condition)) (pushDown value.content)
    else if kind == "override" then
      map (mapAttrs (_: mkOverride value.priority)) (pushDown value.content)
    else
      [ value ];

  isOption = value: typeOfMarker value == "option";

  fail = loc: what: throw "The option `${showOption loc}' ${what}";

  mergeOne =
    loc: defs:
    if length defs == 1 || all (def: def.value == (head defs).value) defs then
      (head defs).value
    else
      fail loc "has conflicting definitions.";

  simple = name: check: {
    inherit name check;
    merge =
      loc: defs:
      let
        bad = filter (def: !check def.value) defs;
      in
      if bad == [ ] then
        mergeOne loc defs
      else
        fail loc "is not of type `${name}': it is a ${typeOf (head bad).value}.";
  };

  types = rec {
    str = simple "string" isString;
    int = simple "signed integer" isInt;
    bool = simple "boolean" isBool;
    port = simple "16 bit unsigned integer" (value: isInt value && value >= 0 && value <= 65535);
    path = simple "absolute path" (
      value: isPath value || (isString value && builtins.substring 0 1 value == "/") || value ? outPath
    );
    package = simple "package" (value: isAttrs value && value ? outPath || isString value);
    anything = {
      name = "anything";
      check = _: true;
      merge =
        loc: defs:
        if all (def: isAttrs def.value && typeOfMarker def.value == null) defs then
          (attrsOf anything).merge loc defs
        else
          mergeOne loc defs;
    };
    lines = {
      name = "lines";
      check = isString;
      merge = _: defs: builtins.concatStringsSep "\n" (map (def: def.value) defs);
    };
    strMatching = pattern: simple "string matching ${pattern}" (v: isString v && match pattern v != null);
    enum = values: simple "one of ${toString values}" (value: elem value values);
    nullOr = inner: {
      name = "null or ${inner.name}";
      check = value: value == null || inner.check value;
      merge =
        loc: defs: if all (def: def.value == null) defs then null else inner.merge loc (filter (def: def.value != null) defs);
    };
    oneOf = inners: {
      name = builtins.concatStringsSep " or " (map (inner: inner.name) inners);
      check = value: any (inner: inner.check value) inners;
      merge =
        loc: defs:
        let
          fitting = filter (inner: all (def: inner.check def.value) defs) inners;
        in
        if fitting == [ ] then
          fail loc "is not of type `${(oneOf inners).name}'."
        else
          (head fitting).merge loc defs;
    };
    either = a: b: oneOf [ a b ];
    listOf = inner: {
      name = "list of ${inner.name}";
      check = isList;
      merge =
        loc: defs:
        concatLists (
          map (
            def:
            if isList def.value then
              concatMap (
                value:
                let
                  found = discharge (def // { inherit value; });
                in
                optional (found != [ ]) (inner.merge (loc ++ [ "*" ]) found)
              ) def.value
            else
              fail loc "is not of type `list of ${inner.name}': it is a ${typeOf def.value}."
          ) defs
        );
    };
    attrsOf = inner: {
      name = "attribute set of ${inner.name}";
      check = isAttrs;
      merge =
        loc: defs:
        let
          sets = concatMap (
            def:
            if isAttrs def.value then
              map (value: def // { inherit value; }) (pushDown def.value)
            else
              fail loc "is not of type `attribute set of ${inner.name}': it is a ${typeOf def.value}."
          ) defs;
          names = unique (concatMap (def: attrNames def.value) sets);
          found =
            name:
            strongest (
              concatMap (def: discharge (def // { value = def.value.${name}; })) (
                filter (def: def.value ? ${name}) sets
              )
            );
        in
        listToAttrs (
          concatMap (
            name:
            optional (found name != [ ]) {
              inherit name;
              value = inner.merge (loc ++ [ name ]) (found name);
            }
          ) names
        );
    };
    submodule = module: {
      name = "submodule";
      check = value: isAttrs value || isFunction value;
      inherit module;
      merge =
        loc: defs:
        (evalModules {
          prefix = loc;
          specialArgs.name = elemAt loc (length loc - 1);
          modules = (if isList module then module else [ module ]) ++ map (def: def.value) defs;
        }).config;
    };
    deferredModule = {
      name = "module";
      check = _: true;
      merge = _: defs: { imports = map (def: def.value) defs; };
    };
  };

  loadModule =
    arguments: module:
    let
      loaded = if isPath module || isString module then import module else module;
      formals = functionArgs loaded;
      applied =
        if isFunction loaded then
          # Only names are looked at here: a module's arguments stay lazy.
          loaded (arguments // mapAttrs (name: _: arguments.${name} or (throw "no argument ${name}")) formals)
        else
          loaded;
      explicit = applied ? config || applied ? options;
    in
    {
      file = if isPath module then toString module else "<module>";
      imports = applied.imports or [ ];
      options = applied.options or { };
      freeformType = applied.freeformType or null;
      config =
        if explicit then
          applied.config or { }
        else
          removeAttrs applied [
            "imports"
            "freeformType"
            "_file"
          ];
    };

  collect =
    arguments: modules:
    concatMap (
      module:
      let
        loaded = loadModule arguments module;
      in
      collect arguments loaded.imports ++ [ loaded ]
    ) modules;

  mergeOptions =
    loc: trees:
    let
      names = unique (concatMap attrNames trees);
    in
    genAttrs names (
      name:
      let
        found = map (getAttr name) (filter (tree: tree ? ${name}) trees);
      in
      if any isOption found then
        if length found == 1 then head found else fail (loc ++ [ name ]) "is declared twice."
      else
        mergeOptions (loc ++ [ name ]) found
    );

  mergeConfig =
    loc: freeform: options: defs:
    let
      sets = concatMap (def: map (value: def // { inherit value; }) (pushDown def.value)) defs;
      at = name: map (def: def // { value = def.value.${name}; }) (filter (def: def.value ? ${name}) sets);
      defined = unique (concatMap (def: attrNames def.value) sets);
      unknown = filter (name: !(options ? ${name}) && at name != [ ]) defined;
      declared = mapAttrs (
        name: option:
        let
          here = loc ++ [ name ];
          given = concatMap discharge (at name);
          withDefault =
            given
            ++ optional (option ? default) {
              file = "default";
              value = option.default;
              priority = 1500;
            };
          value = option.type.merge here (strongest withDefault);
          checked =
            if (option.readOnly or false) && length withDefault > 1 then
              fail here "is read-only, but set twice."
            else if withDefault == [ ] then
              fail here "is used but not defined."
            else
              value;
        in
        if isOption option then
          (option.apply or (it: it)) checked
        else
          mergeConfig here null option (at name)
      ) options;
      free = freeform.merge loc (
        map (def: def // { value = removeAttrs def.value (attrNames options); }) sets
      );
    in
    if freeform != null then
      free // declared
    else if unknown != [ ] then
      fail (loc ++ [ (head unknown) ]) "does not exist. Definition in ${(head (at (head unknown))).file}."
    else
      declared;

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      arguments = specialArgs // {
        inherit lib config options;
      };
      loaded = collect arguments modules;
      options = mergeOptions prefix (map (module: module.options) loaded);
      freeform = foldl' (last: module: if module.freeformType == null then last else module.freeformType) null loaded;
      config = mergeConfig prefix freeform options (
        map (module: {
          inherit (module) file;
          value = module.config;
        }) loaded
      );
    in
    {
      inherit config options;
    };

  lib = {
    inherit
      attrValues
      concatLists
      concatMap
      evalModules
      genAttrs
      isOption
      mapAttrs
      mkIf
      mkMerge
      mkOption
      mkOverride
      optional
      optionalAttrs
      optionalString
      optionals
      types
      unique
      ;
    inherit (builtins) attrNames concatStringsSep elem filter;
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    mkEnableOption =
      what:
      mkOption {
        type = types.bool;
        default = false;
        description = "Whether to enable ${what}.";
      };
    mkPackageOption =
      pkgs: name: _:
      mkOption {
        type = types.package;
        default = pkgs.${name};
        defaultText = "pkgs.${name}";
        description = "The ${name} package to use.";
      };
    literalExpression = text: {
      _type = "literalExpression";
      inherit text;
    };
    hasInfix = infix: text: length (builtins.split (lib.escapeRegex infix) text) > 1;
    escapeRegex = builtins.replaceStrings [ "." "*" "+" "?" "(" ")" "[" "]" ] [ "\\." "\\*" "\\+" "\\?" "\\(" "\\)" "\\[" "\\]" ];
    splitString = separator: text: filter isString (builtins.split (lib.escapeRegex separator) text);
    toLower = builtins.replaceStrings
      (lib.splitChars "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
      (lib.splitChars "abcdefghijklmnopqrstuvwxyz");
    splitChars = text: builtins.genList (n: builtins.substring n 1 text) (builtins.stringLength text);
    getName = package: package.pname or (builtins.parseDrvName (package.name or package)).name;
    makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
    licenses.mit.spdxId = "MIT";
    platforms.linux = [
      "x86_64-linux"
      "aarch64-linux"
    ];
  };
in
lib
