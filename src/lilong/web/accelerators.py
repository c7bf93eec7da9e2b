"""The pages of accelerators: what the stack knows of them beside what the supermarket sells; for everybody."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from lilong.common.django.people import find_actor
from lilong.common.time import utc_now
from lilong.platforms.stack.pages.dossiers import list_comparisons, read_sheet
from lilong.platforms.supermarket.pages.on_sale import read_lowest_prices, read_stock_of


@require_safe
def show_accelerators(request: HttpRequest) -> HttpResponse:
    """Show every accelerator that the hub knows: the best claims beside each other, and the lowest price."""
    lowest = read_lowest_prices(now=utc_now())
    rows = [(each, lowest.get(each.accelerator.id)) for each in list_comparisons(actor=find_actor(request))]
    return render(request, "web/accelerators.html", {"rows": rows})


@require_safe
def show_accelerator(request: HttpRequest, name: str) -> HttpResponse:
    """Show what is claimed of one accelerator, and who sells it; by another of its names, go to the page of its id."""
    actor, now = find_actor(request), utc_now()
    sheet = read_sheet(actor=actor, name=name)
    accelerator = sheet.dossier.accelerator
    if name != accelerator.id:
        return redirect("accelerator", name=accelerator.id)
    context = {
        "sheet": sheet,
        "accelerator": accelerator,
        "stock": read_stock_of(accelerator=accelerator.id, now=now),
        "may_judge": actor.is_operator,
        "may_shop": actor.role is not None,
        "now": now,
    }
    return render(request, "web/accelerator.html", context)
