# claude-code is unfree and moves fast: it comes from nixpkgs-unstable, and the exception is for
# this one package. The host's own allowUnfree does not reach the nixpkgs of a container.
{ nixpkgs-unstable }:
let
  unstable =
    final:
    import nixpkgs-unstable {
      inherit (final.stdenv.hostPlatform) system;
      config.allowUnfreePredicate = import ./unfree.nix final.lib;
    };
in
{
  claude-unstable = final: prev: {
    inherit (unstable final) claude-code;
  };

  # Python programs of one interpreter: claude-agent-sdk has to be new, so all of them are built
  # with nixpkgs-unstable.
  default = final: prev: rec {
    hyperhiveMembers = (unstable final).callPackage ./packages.nix { };
    inherit (hyperhiveMembers) hyperhive;
  };
}
