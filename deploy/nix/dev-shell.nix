# What `make test` and `make check` want besides uv, which brings Python's packages.
{
  mkShell,
  bubblewrap,
  chromium,
  git,
  jq,
  natscli,
  nats-server,
  python3,
  uv,
}:
mkShell {
  packages = [
    bubblewrap
    chromium
    git
    jq
    natscli
    nats-server
    python3
    uv
  ];
}
