"""Addresses of the pages of runs."""

from django.urls import path

from lilong.foundation.runs.pages import files, logs

urlpatterns = [
    path("runs/<str:run_id>/log", logs.show_log, name="run_log"),
    path("runs/<str:run_id>/log/stream", logs.stream_log, name="run_log_stream"),
    path("runs/<str:run_id>/log/tail", logs.show_tail, name="run_log_tail"),
    path("runs/<str:run_id>/files/<int:attempt_number>/<str:sha256>", files.download_file, name="run_file"),
]
