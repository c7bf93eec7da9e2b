"""Addresses of the pages of the books."""

from django.urls import path

from lilong.foundation.ledger.pages import statements

urlpatterns = [
    path("wallet", statements.show_statement, name="wallet"),
    path("wallet/statement.csv", statements.download_statement, name="statement_csv"),
    path("wallet/books.beancount", statements.download_books, name="books_beancount"),
]
