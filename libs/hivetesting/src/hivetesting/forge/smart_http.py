"""Git over HTTP on the scripted forge: `git http-backend` behind the forge's own permissions."""

from hivecommon.command import run
from starlette.responses import Response

from hivetesting.forge.call import ApiError
from hivetesting.forge.repository import TIMEOUT_S
from hivetesting.forge.rights import Access, access
from hivetesting.forge.routes import Context


async def serve(context: Context) -> Response:
    """Answer a clone, fetch or push."""
    call = context.call
    repo = call.world.repo(call.path("owner"), call.path("repo"))
    rest = call.path("rest")
    pushing = "git-receive-pack" in (rest, call.query("service"))
    need = Access.WRITE if pushing else Access.READ
    if call.doer is None and (pushing or repo is None or repo.private):
        return Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="Gitea"'})
    if repo is None or access(call.world, call.doer, repo, "repo.code") < Access.READ:
        raise ApiError(404, "Repository not found")
    if access(call.world, call.doer, repo, "repo.code") < need:
        raise ApiError(403, "User permission denied for writing.")
    request = call.request
    environment = {
        "GIT_PROJECT_ROOT": str(repo.path),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{rest}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "REMOTE_USER": call.doer.login if call.doer else "",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    body = await request.body()
    environment["CONTENT_LENGTH"] = str(len(body))
    done = await run(["git", "http-backend"], timeout_s=TIMEOUT_S, env=environment, stdin=body)
    head, _, content = done.check().stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split()[0])
    return Response(content, status, headers)
