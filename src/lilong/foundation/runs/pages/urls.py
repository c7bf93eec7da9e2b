"""Addresses of the pages of runs and volumes."""

from django.urls import path

from lilong.foundation.runs.pages import files, logs, volumes

_VOLUME = "organisation/volumes/<str:volume_id>"
urlpatterns = [
    path("organisation/volumes", volumes.show_volumes, name="volumes"),
    path(_VOLUME, volumes.show_volume, name="volume"),
    path(f"{_VOLUME}/file", volumes.download_file, name="volume_file"),
    path(f"{_VOLUME}/change", volumes.change_file, name="volume_file_change"),
    path(f"{_VOLUME}/remove", volumes.remove_volume, name="volume_remove"),
    path("runs/<str:run_id>/log", logs.show_log, name="run_log"),
    path("runs/<str:run_id>/log/stream", logs.stream_log, name="run_log_stream"),
    path("runs/<str:run_id>/log/tail", logs.show_tail, name="run_log_tail"),
    path("runs/<str:run_id>/files/<int:attempt_number>/<str:sha256>", files.download_file, name="run_file"),
]
