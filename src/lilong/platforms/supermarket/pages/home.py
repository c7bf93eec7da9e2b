"""The page on which a member begins."""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lilong.common.django.people import find_actor, for_member
from lilong.common.permissions import Scope, may
from lilong.common.time import utc_now
from lilong.platforms.supermarket.queries.home import get_home
from lilong.platforms.supermarket.services.quotes import BUYERS


@require_safe
@for_member
def show_home(request: HttpRequest) -> HttpResponseBase:
    """Show the organisation's money, what runs, what came last, and to newcomers what comes next."""
    now, actor = utc_now(), find_actor(request)
    context = {
        "home": get_home(actor=actor, now=now),
        "now": now,
        "public_url": settings.LILONG.public_url,
        "may_order": may(actor, roles=BUYERS, scope=Scope.RUN).allowed,
    }
    return render(request, "supermarket/home.html", context)
