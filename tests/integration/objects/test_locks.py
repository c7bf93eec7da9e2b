"""On PostgreSQL one upload has one writer among all machines, and the writer's end is the end of its lock."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from lilong.foundation.objects.locks import lock_in_database
from lilong.foundation.objects.storage import UploadBusy
from tests.polling import wait_until

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def other_machine():
    """Another session at the database, in a thread of its own; it is closed at the end."""
    with ThreadPoolExecutor(1) as thread:
        yield thread
        thread.submit(close_session).result()


def close_session():
    """Close the session of the thread that calls this: each has its own."""
    connection.close()


def try_lock(upload_id="upl_1"):
    try:
        with lock_in_database(upload_id):
            return True
    except UploadBusy:
        return False


def test_a_second_writer_is_told_to_wait_and_another_upload_is_free(other_machine):
    with lock_in_database("upl_1"):
        assert other_machine.submit(try_lock).result() is False
        assert other_machine.submit(try_lock, "upl_2").result() is True
    assert other_machine.submit(try_lock).result() is True


def test_the_lock_ends_with_a_session_that_breaks_off(other_machine):
    held, over = threading.Event(), threading.Event()

    def hold():
        with lock_in_database("upl_1"):
            held.set()
            over.wait()

    holder = other_machine.submit(hold)
    held.wait()
    assert try_lock() is False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    wait_until(try_lock, within_s=30)
    over.set()
    holder.result()  # finds its session gone and says nothing


def test_what_fails_inside_frees_the_upload():
    with pytest.raises(ZeroDivisionError), lock_in_database("upl_1"):
        raise ZeroDivisionError
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(try_lock).result() is True
        thread.submit(close_session).result()
