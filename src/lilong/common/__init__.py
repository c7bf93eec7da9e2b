"""Words that every room shares: money, time, ids, errors, paging, permissions. Pure: no tables, no IO."""
