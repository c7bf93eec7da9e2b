"""Addresses of the supermarket's pages."""

from django.urls import path

from lilong.platforms.supermarket.pages import checkout, home, orders, replays, selling, shelf, statements

urlpatterns = [
    path("home", home.show_home, name="home"),
    path("shelf", checkout.show_shelf, name="shelf"),
    path("shelf/compare", shelf.compare, name="compare"),
    path("quotes", checkout.ask_for_quote, name="ask_for_quote"),
    path("quotes/<str:quote_id>", checkout.show_quote, name="quote"),
    path("quotes/<str:quote_id>/order", checkout.take_quote, name="take_quote"),
    path("provider/offers/new", selling.add_offer, name="add_offer"),
    path("provider/offers/<str:offer_id>", selling.show_offer, name="offer"),
    path("provider/offers/<str:offer_id>/withdraw", selling.withdraw, name="withdraw_offer"),
    path("desk/providers", selling.show_providers, name="desk_providers"),
    path("desk/programmes/replay", replays.show_replay, name="desk_replay"),
    path("orders", orders.show_orders, name="orders"),
    path("runs/<str:run_id>", orders.go_to_run, name="run"),
    path("orders/<str:order_id>", orders.show_order, name="order"),
    path("orders/<str:order_id>/again", checkout.order_again, name="order_again"),
    path("orders/<str:order_id>/cancel", orders.cancel, name="order_cancel"),
    path("orders/<str:order_id>/exports/<str:name>", orders.download_export, name="order_export"),
    path("wallet/focus.csv", statements.download_focus, name="focus_csv"),
]
