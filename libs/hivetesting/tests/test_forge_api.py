"""The scripted forge answers as a real one does: the same questions to whichever the environment names."""

import hashlib
import hmac
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hivetesting.forge.faults import Fault
from hivetesting.forge.happenings import signed
from hivetesting.forge.site import Site, open_site, scripted_site
from hivetesting.forge.world import Hook


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("forge")) as site:
        yield site


@pytest.fixture(scope="module")
def repo(site: Site) -> str:
    mark = secrets.token_hex(3)
    site.organization(f"org-{mark}")
    return site.repository(f"org-{mark}", "repo")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/version", None, 200),
        ("GET", "/user", None, 200),
        ("GET", "/nothing", None, 404),
        ("GET", "/repos/nobody/nothing", None, 404),
        ("GET", "/repos/{repo}/issues/999", None, 404),
        ("POST", "/repos/{repo}/issues", {"title": ""}, 422),
        ("POST", "/repos/{repo}/issues", {"title": "x"}, 201),
        ("PATCH", "/repos/{repo}/issues/1", {"title": "y"}, 201),
        ("PATCH", "/repos/{repo}/issues/1", {"state": "shut"}, 412),
        ("POST", "/repos/{repo}/issues/1/comments", {"body": ""}, 422),
        ("POST", "/repos/{repo}/issues/1/comments", {"body": "x"}, 201),
        ("POST", "/repos/{repo}/issues/1/labels", {"labels": ["unknown"]}, 200),
        ("DELETE", "/repos/{repo}/issues/1/labels/99999", None, 422),
        ("POST", "/repos/{repo}/pulls", {"title": "x", "head": "nope", "base": "main"}, 404),
        ("POST", "/repos/{repo}/pulls", {"title": "x", "head": "main", "base": "main"}, 422),
        ("GET", "/repos/{repo}/contents/nope", None, 404),
        ("GET", "/repos/{repo}/raw/README.md", None, 200),
        ("POST", "/repos/{repo}/contents/README.md", {"content": "eA==", "message": "m"}, 422),
        ("PUT", "/repos/{repo}/contents/README.md", {"content": "eA==", "sha": "0" * 40}, 422),
        ("GET", "/repos/{repo}/releases/tags/none", None, 404),
        ("GET", "/repos/{repo}/branches/main", None, 200),
        ("GET", "/repos/{repo}/branches/none", None, 404),
        ("GET", "/notifications/threads/999999", None, 404),
        ("POST", "/orgs/{org}/repos", {"name": "repo"}, 409),
        ("POST", "/orgs", {"username": "{org}"}, 422),
        ("POST", "/admin/users", {"username": "x", "email": "x@example.invalid"}, 400),
        ("POST", "/admin/users", {"username": "user", "email": "a@b.invalid", "password": "Pw-123456"}, 422),
        ("PATCH", "/admin/users/{admin}", {"full_name": "x"}, 422),
        ("GET", "/users/nobody-there", None, 404),
    ],
)  # fmt: skip
def test_statuses(site: Site, repo: str, method: str, path: str, body: object, status: int) -> None:
    admin = site.made("GET", "/user")["login"]
    names = {"repo": repo, "org": repo.split("/", maxsplit=1)[0], "admin": admin}
    given = {key: value.format(**names) if isinstance(value, str) and "{" in value else value
             for key, value in body.items()} if isinstance(body, dict) else body  # fmt: skip
    if "/issues/1" in path:
        site.made("POST", f"/repos/{repo}/issues", {"title": "first"})
    answer = site.ask(method, path.format(**names), given)
    assert answer.status_code == status, answer.text
    if status >= 400 and path != "/nothing":
        assert {"message", "url"} <= set(answer.json())


def test_pages_are_counted_and_linked(site: Site, repo: str) -> None:
    for _ in range(5):
        site.made("POST", f"/repos/{repo}/issues", {"title": "page"})
    seen: list[int] = []
    query = "/issues?limit=2&state=all&page=1"
    while query:
        answer = site.ask("GET", f"/repos/{repo}{query}")
        seen += [issue["number"] for issue in answer.json()]
        assert int(answer.headers["X-Total-Count"]) >= 5
        found = re.search(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
        page = parse_qs(urlsplit(found[1]).query)["page"][0] if found else ""
        query = f"/issues?limit=2&state=all&page={page}" if page else ""
    everything = site.made("GET", f"/repos/{repo}/issues?limit=50&state=all")
    assert sorted(seen) == sorted(issue["number"] for issue in everything)


def test_nobody_gets_in_without_a_valid_login(site: Site) -> None:
    assert site.ask("GET", "/user", token="0" * 40).status_code == 401
    assert site.client.get(f"{site.url}/api/v1/user").status_code == 401
    assert site.ask("GET", "/user", auth=("nobody", "x")).status_code == 401


def test_tokens_are_made_with_a_password_alone_and_shown_once(site: Site) -> None:
    name = f"user-{secrets.token_hex(3)}"
    token = site.user(name, "write:user", "read:user")
    assert site.ask("GET", f"/users/{name}/tokens", token=token).status_code == 401
    password = secrets.token_urlsafe(20) + "aA1!"
    login = {
        "login_name": name,
        "source_id": 0,
        "password": password,
        "must_change_password": False,
    }
    site.made("PATCH", f"/admin/users/{name}", login)
    listed = site.made("GET", f"/users/{name}/tokens", auth=(name, password))
    assert [(each["sha1"], each["token_last_eight"]) for each in listed] == [("", token[-8:])]
    for fields, status in (
        ({"name": listed[0]["name"], "scopes": ["read:user"]}, 400),
        ({"name": "other", "scopes": ["read:everything"]}, 400),
        ({"name": "other", "scopes": []}, 400),
    ):
        answer = site.ask("POST", f"/users/{name}/tokens", fields, auth=(name, password))
        assert answer.status_code == status, answer.text
    assert (
        site.ask(
            "DELETE", f"/users/{name}/tokens/{listed[0]['id']}", auth=(name, password)
        ).status_code
        == 204
    )
    assert site.ask("GET", "/user", token=token).status_code == 401


def test_a_private_repository_is_hidden_and_a_readable_one_is_not_writable(
    site: Site, repo: str
) -> None:
    name = f"eve-{secrets.token_hex(3)}"
    token = site.user(name)
    assert site.ask("GET", f"/repos/{repo}", token=token).status_code == 404
    site.made("PUT", f"/repos/{repo}/collaborators/{name}", {"permission": "read"})
    assert site.ask("GET", f"/repos/{repo}", token=token).status_code == 200
    assert (
        site.ask(
            "POST", f"/repos/{repo}/labels", {"name": "x", "color": "#fff000"}, token=token
        ).status_code
        == 403
    )
    content = {"content": "eA==", "message": "m"}
    assert site.ask("POST", f"/repos/{repo}/contents/x", content, token=token).status_code == 403
    assert site.ask("GET", "/user?sudo=root", token=token).status_code == 403


def test_git_pushes_with_a_token_and_not_without(site: Site, repo: str, tmp_path: Path) -> None:
    admin = site.made("GET", "/user")["login"]
    address = site.url.replace("://", f"://{admin}:{site.token}@") + f"/{repo}.git"

    def git(*words: str) -> subprocess.CompletedProcess[bytes]:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.invalid"]
        env = {"GIT_TERMINAL_PROMPT": "0", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        return subprocess.run(["git", *who, *words], check=False, capture_output=True, env=env)

    assert git("clone", "--quiet", address, str(tmp_path / "work")).returncode == 0
    assert git("clone", "--quiet", f"{site.url}/{repo}.git", str(tmp_path / "no")).returncode != 0
    (tmp_path / "work" / "pushed").write_text("x")
    for words in (
        ["add", "-A"],
        ["commit", "--quiet", "-m", "push"],
        ["push", "--quiet", "origin", "HEAD:side"],
    ):
        done = git("-C", str(tmp_path / "work"), *words)
        assert done.returncode == 0, done.stderr
    assert site.ask("GET", f"/repos/{repo}/contents/pushed?ref=side").status_code == 200


def test_webhooks_are_signed_as_the_real_forge_signs_them() -> None:
    body = b'{"action":"opened"}'
    headers = signed(Hook(1, {"secret": "s"}, [], active=True, created=0), "issues", body)
    digest = hmac.new(b"s", body, hashlib.sha256).hexdigest()
    assert headers["X-Gitea-Signature"] == headers["X-Forgejo-Signature"] == digest
    assert headers["X-Hub-Signature-256"] == f"sha256={digest}"


def test_faults_come_when_they_are_ordered_and_as_often(tmp_path: Path) -> None:
    with scripted_site(tmp_path / "forge") as site:
        assert site.script is not None
        site.script.faults.order("GET .*/user$", Fault(503, "busy"), times=2)
        site.script.faults.rate_limit("GET .*/version", retry_after_s=7)
        statuses = [site.ask("GET", "/user").status_code for _ in range(3)]
        assert statuses == [503, 503, 200]
        limited = site.ask("GET", "/version")
        assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
        assert site.script.faults.times("GET .*/user$") == 3
