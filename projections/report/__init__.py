"""The audit reports: a day or a week of sessions as one page and as JSON.

Lives here: the report's model, its sections, charts and page; all pure. May import: events,
projections.why, msgspec. Always holds: the rows come from one published projection each (through
``projections.duck.report``) and are not judged again; what is missing is said with its reason; the
same rows give the same bytes. Start reading at ``day.day_report``, then ``html.page``.
"""
