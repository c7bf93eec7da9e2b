"""Pages of volumes: those of the organisation, what one holds and what uses it, and its files by browser."""

from pathlib import PurePosixPath

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lilong.common.django.bodies import FORM_BYTES_MAX, reads_at_most
from lilong.common.django.forms import render_form
from lilong.common.django.people import find_actor, for_member
from lilong.common.errors import InputInvalid
from lilong.common.permissions import Actor, Scope, may, require
from lilong.common.time import utc_now
from lilong.foundation.runs.pages.files import respond_file
from lilong.foundation.runs.queries.artefacts import READERS
from lilong.foundation.runs.queries.volumes import (
    VolumeFileMissing,
    get_volume,
    list_uses,
    list_volumes,
    open_volume_file,
    read_volume,
)
from lilong.foundation.runs.services.volumes import (
    KEEPERS,
    VolumePathInvalid,
    create_volume,
    delete_volume,
    move_file,
    put_file,
    remove_file,
)
from lilong.protocol.manifest import PATH_CHARACTERS_MAX, TOTAL_BYTES_MAX, Manifest, is_safe_path

VOLUMES_SHOWN = 100
FILES_SHOWN = 200
FILE_BYTES_MAX = 16 * 1024**2
GIB = 1024**3


class FileTooLarge(InputInvalid):
    """A file has more bytes than a browser may send."""

    code = "runs.file_too_large"
    title = "This file is too large to send by browser"
    status = 413
    next_step = "Send at most 16 MiB, or use `lilong volumes put`, which sends folders of any size in pieces."


class VolumeForm(forms.Form):
    """A new volume."""

    name = forms.RegexField(
        r"^[a-z0-9][a-z0-9-]{0,62}$",
        label=_("Name of the volume"),
        help_text=_("Small letters, digits and hyphens, such as corpus-2."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    max_gib = forms.IntegerField(
        label=_("Most that it may hold, GiB"), initial=10, min_value=1, max_value=TOTAL_BYTES_MAX // GIB
    )


class FileForm(forms.Form):
    """A file to put into a volume."""

    file = forms.FileField(label=_("File"), help_text=_("At most 16 MiB."), allow_empty_file=True, max_length=255)
    folder = forms.CharField(
        label=_("Folder in the volume"),
        help_text=_("Such as train/shards; empty for the top. A file of the same path is replaced."),
        max_length=PATH_CHARACTERS_MAX,
        required=False,
    )

    def clean(self) -> dict[str, object]:
        """Say where the file goes, or why it cannot."""
        said: dict[str, object] = {**self.cleaned_data}
        file = said.get("file")
        if isinstance(file, UploadedFile):
            path = "/".join(filter(None, (str(said.get("folder", "")).strip("/"), file.name or "")))
            if not is_safe_path(path) or len(path) > PATH_CHARACTERS_MAX:
                self.add_error("folder", gettext("This path leaves the volume, or is too long."))
            said["path"] = path
        return said


class MoveForm(forms.Form):
    """Another path for a file."""

    new_path = forms.CharField(
        label=_("New path"),
        help_text=_("With its folders, such as train/shards/one.bin."),
        max_length=PATH_CHARACTERS_MAX,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_volumes(request: HttpRequest) -> HttpResponseBase:
    """List the organisation's volumes with what uses them, and create one."""
    actor, now = find_actor(request), utc_now()
    form = VolumeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        volume = create_volume(actor=actor, name=said["name"], max_bytes=said["max_gib"] * GIB, now=now)
        return redirect("volume", volume_id=volume.id)
    page = list_volumes(actor=actor, cursor=request.GET.get("cursor"), limit=VOLUMES_SHOWN)
    uses = list_uses(actor=actor)
    context = {
        "page": page,
        "rows": [(volume, uses.get(volume.id, [])) for volume in page.items],
        "form": form,
        "may_keep": may_keep(actor),
        "now": now,
    }
    return render(request, "runs/volumes.html", context)


@reads_at_most(bytes_max=FILE_BYTES_MAX + FORM_BYTES_MAX, refusal=FileTooLarge)
@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_volume(request: HttpRequest, volume_id: str) -> HttpResponseBase:
    """Show what a volume holds and what uses it, and put a file into it."""
    actor, now = find_actor(request), utc_now()
    form = FileForm(request.POST, request.FILES) if request.method == "POST" else FileForm()
    if request.method == "POST" and form.is_valid():
        path, file = form.cleaned_data["path"], form.cleaned_data["file"]
        if file.size > FILE_BYTES_MAX:
            raise FileTooLarge
        put_file(actor=actor, volume_id=volume_id, path=path, content=file.read(), now=now)
        messages.success(request, gettext("{path} is in the volume.").format(path=path))
        return redirect("volume", volume_id=volume_id)
    may_read = may(actor, roles=READERS, scope=Scope.READ).allowed
    if may_read:
        volume, manifest = read_volume(actor=actor, volume_id=volume_id)
    else:
        volume, manifest = get_volume(actor=actor, volume_id=volume_id), Manifest()
    after = request.GET.get("after", "")
    files = sorted((file for file in manifest.files if file.path > after), key=lambda file: file.path)
    context = {
        "volume": volume,
        "count": len(manifest.files),
        "files": files[:FILES_SHOWN],
        "after": files[FILES_SHOWN - 1].path if len(files) > FILES_SHOWN else "",
        "uses": list_uses(actor=actor).get(volume.id, []),
        "form": form,
        "may_read": may_read,
        "may_keep": may_keep(actor),
        "now": now,
    }
    return render(request, "runs/volume.html", context)


@require_safe
@for_member
def download_file(request: HttpRequest, volume_id: str) -> HttpResponseBase:
    """Send the file at `path`. Members' bytes are never shown as a page of the hub's."""
    path = request.GET.get("path", "")
    reader = open_volume_file(actor=find_actor(request), volume_id=volume_id, path=path)
    return respond_file(reader, name=PurePosixPath(path).name)


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def change_file(request: HttpRequest, volume_id: str) -> HttpResponseBase:
    """Show the file at `path`, and give it another path or take it out; refused while a run writes to the volume."""
    actor, now = find_actor(request), utc_now()
    require(may(actor, roles=KEEPERS, scope=Scope.RUN))
    path = (request.POST or request.GET).get("path", "")
    if request.method == "POST" and request.POST.get("action") == "remove":
        remove_file(actor=actor, volume_id=volume_id, path=path, now=now)
        messages.success(request, gettext("{path} is gone from the volume.").format(path=path))
        return redirect("volume", volume_id=volume_id)
    form = MoveForm(request.POST or None, initial={"new_path": path})
    if request.method == "POST" and form.is_valid():
        new_path = form.cleaned_data["new_path"]
        try:
            move_file(actor=actor, volume_id=volume_id, path=path, new_path=new_path, now=now)
        except VolumePathInvalid:
            form.add_error("new_path", gettext("Another file has this path, or it leaves the volume."))
        else:
            messages.success(request, gettext("{path} is in the volume.").format(path=new_path))
            return redirect("volume", volume_id=volume_id)
    volume, manifest = read_volume(actor=actor, volume_id=volume_id)
    file = next((each for each in manifest.files if each.path == path), None)
    if file is None:
        raise VolumeFileMissing
    context = {
        "volume": volume,
        "file": file,
        "uses": list_uses(actor=actor).get(volume.id, []),
        "form": form,
        "now": now,
    }
    return render_form(request, "runs/volume_file.html", context, is_refused=bool(form.errors))


@require_POST
@for_member
def remove_volume(request: HttpRequest, volume_id: str) -> HttpResponseBase:
    """Delete a volume with its content; refused while a run writes to it."""
    delete_volume(actor=find_actor(request), volume_id=volume_id)
    messages.success(request, gettext("The volume is gone. Runs that read it keep what they mounted."))
    return redirect("volumes")


def may_keep(actor: Actor) -> bool:
    """Say whether the actor may change volumes of its own organisation."""
    return may(actor, roles=KEEPERS, scope=Scope.RUN).allowed
