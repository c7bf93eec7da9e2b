"""Addresses of the supermarket's pages."""

from django.urls import path

from lilong.platforms.supermarket.pages import (
    checkout,
    home,
    invoices,
    measuring,
    orders,
    programme_reports,
    replays,
    selling,
    shelf,
    spending,
    starts,
    statements,
)

_INVOICE = "organisation/invoices/<str:invoice_id>"
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
    path("provider/offers/<str:offer_id>/measure", measuring.measure, name="measure_offer"),
    path("pools/<str:pool_id>/measurements", measuring.show_measured, name="measured"),
    path("desk/providers", selling.show_providers, name="desk_providers"),
    path("desk/programmes/reports", programme_reports.show_reports, name="desk_programmes"),
    path(
        "desk/programmes/reports/<str:programme_id>.csv", programme_reports.download_report, name="desk_programme_csv"
    ),
    path("desk/programmes/replay", replays.show_replay, name="desk_replay"),
    path("orders", orders.show_orders, name="orders"),
    path("runs/<str:run_id>", orders.go_to_run, name="run"),
    path("orders/<str:order_id>", orders.show_order, name="order"),
    path("orders/<str:order_id>/again", checkout.order_again, name="order_again"),
    path("orders/<str:order_id>/approval", orders.decide_approval, name="order_approval"),
    path("orders/<str:order_id>/cancel", orders.cancel, name="order_cancel"),
    path("orders/<str:order_id>/exports/<str:name>", orders.download_export, name="order_export"),
    path("starts", starts.show_start_records, name="start_records"),
    path("organisation/spending", spending.show_spending, name="spending"),
    path("organisation/spending/budgets", spending.add_budget, name="add_budget"),
    path("organisation/spending/budgets/<str:budget_id>/end", spending.stop_budget, name="end_budget"),
    path("organisation/spending/projects", spending.add_project, name="add_project"),
    path("organisation/spending/projects/<str:project_id>/close", spending.stop_project, name="close_project"),
    path("organisation/spending/rule", spending.change_rule, name="spending_rule"),
    path("wallet/focus.csv", statements.download_focus, name="focus_csv"),
    path("organisation/invoices", invoices.show_invoices, name="invoices"),
    path(_INVOICE, invoices.show_invoice, name="invoice"),
    path(f"{_INVOICE}/pdf", invoices.download_pdf, name="invoice_pdf"),
    path(f"{_INVOICE}/document", invoices.download_document, name="invoice_document"),
    path("desk/invoices", invoices.show_desk_invoices, name="desk_invoices"),
    path("desk/invoices/close", invoices.close_month, name="desk_invoices_close"),
    path("desk/invoices/issue", invoices.issue, name="desk_invoices_issue"),
    path("desk/invoices/rates", invoices.publish_rate, name="desk_tax_rates"),
    path("desk/invoices/treatments", invoices.decide, name="desk_treatments"),
]
