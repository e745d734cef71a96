# A NixOS machine that runs a hive. NOT RUN so far: it needs KVM, and the network to build agents.
# What it asserts has been tried piece by piece elsewhere; see docs/operations.md.
{ testers, hyperhive }:
testers.runNixOSTest {
  name = "hyperhive";
  nodes.host = {
    imports = [ hyperhive ];
    services.hyperhive = {
      enable = true;
      operators = [ "ada" ];
      # An agent's system would have to be built inside the machine, without a network.
      manager.enable = false;
    };
    virtualisation.memorySize = 2048;
  };
  testScript = ''
    host.wait_for_unit("hyperhive-bus.service")
    for unit in ("lifecycle", "approvals", "dashboard"):
        host.wait_for_unit(f"hyperhive-{unit}.service")
    host.wait_for_open_port(7000)
    host.succeed("hive ls --json")
    host.succeed("hive doctor")
    before = host.succeed("stat -c %i /run/hyperhive")
    host.succeed("systemctl restart hyperhive-lifecycle")
    assert before == host.succeed("stat -c %i /run/hyperhive")
    host.fail("hive spawn ../x")
    host.succeed("curl --fail http://127.0.0.1:7000/healthz")
  '';
}
