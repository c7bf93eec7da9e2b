"""The Django project: settings, urls, API assembly, worker and wiring."""
