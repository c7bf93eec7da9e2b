"""Addresses of the pages of the ledger."""

from django.urls import path

from lilong.foundation.ledger.pages import bank, desk, own, pay_outs

urlpatterns = [
    path("desk/ledger", desk.show_accounts, name="desk_ledger"),
    path("desk/ledger/verification", desk.verify_books, name="desk_verification"),
    path("desk/ledger/pay-outs", pay_outs.show_pay_outs, name="desk_pay_outs"),
    path("desk/ledger/accounts/<str:account_id>", desk.show_account, name="desk_account"),
    path("desk/ledger/transfers/<str:transfer_id>", desk.show_transfer, name="desk_transfer"),
    path("desk/bank", bank.show_bank, name="desk_bank"),
    path("desk/bank/import", bank.take_file, name="desk_bank_import"),
    path("desk/bank/statements/<str:statement_id>", bank.show_statement, name="desk_bank_statement"),
    path("desk/bank/entries/<str:entry_id>/match", bank.match_entry, name="desk_bank_match"),
    path("desk/bank/reconciliation", bank.show_reconciliation, name="desk_bank_reconciliation"),
    path("provider/pay-outs", own.show_pay_outs, name="pay_outs"),
]
