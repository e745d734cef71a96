# The predicate for `nixpkgs.config.allowUnfreePredicate`: claude-code and nothing else.
lib: package: builtins.elem (lib.getName package) [ "claude-code" ]
