"""The style of a report: light, dark and print.

Lives here: one style sheet. May import: nothing. Always holds: no font, image or sheet from
outside; print is light whatever the screen is. Start reading at ``STYLE``.
"""

from __future__ import annotations

from typing import Final

_LIGHT: Final = """
--bg:#fff;--ink:#1b1f24;--soft:#5b6570;--rule:#d7dce1;--box:#f4f6f8;--heat:#8a2c0d;--run:#4a6a8a;
--good:#2e7d4f;--warn:#b7791f;--bad:#b3261e;--idle:#8f99a3;
--c0:#2563a8;--c1:#6f8f2f;--c2:#b06a1f;--c3:#7a4fa3;--c4:#1f8a8a;--on:#fff"""

_DARK: Final = """
--bg:#14171a;--ink:#e4e8ec;--soft:#9aa5b0;--rule:#343b42;--box:#1d2226;--heat:#ff8a5c;--run:#86abd0;
--good:#5fbf86;--warn:#e0a84a;--bad:#f2776e;--idle:#6d7883;
--c0:#7db4f0;--c1:#a9c966;--c2:#e2a263;--c3:#bb95e0;--c4:#62c7c7;--on:#14171a"""

_FILLS: Final = "".join(
    f".{look}{{fill:var(--{look})}}.key.{look}{{background:var(--{look})}}"
    f".line.{look}{{stroke:var(--{look})}}"
    for look in ("good", "warn", "bad", "idle", "c0", "c1", "c2", "c3", "c4")
)

STYLE: Final = f"""
:root{{{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;max-width:1160px;padding:24px;background:var(--bg);color:var(--ink);
font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}}
h1{{font-size:26px;margin:0}}header p{{margin:2px 0 14px;color:var(--soft)}}
h2{{font-size:18px;margin:34px 0 10px;padding-bottom:4px;border-bottom:2px solid var(--rule)}}
h3{{font-size:13px;margin:18px 0 6px;color:var(--soft);font-weight:600}}
nav{{display:flex;flex-wrap:wrap;gap:4px 14px;font-size:13px}}
nav a{{color:var(--c0)}}nav a.none{{color:var(--soft)}}
#verdict .said:first-of-type{{font-size:19px;font-weight:600}}
.said{{margin:6px 0}}
.missing,.nothing{{background:var(--box);border-left:4px solid var(--idle);padding:8px 12px;
margin:8px 0}}.missing{{border-color:var(--warn)}}
dl{{display:grid;grid-template-columns:repeat(auto-fill,minmax(210px,1fr));gap:8px 18px;
margin:8px 0}}
dt{{color:var(--soft);font-size:12px}}dd{{margin:0;overflow-wrap:anywhere}}
.table{{overflow-x:auto}}.narrow{{columns:2;column-gap:28px}}
table{{border-collapse:collapse;width:100%;font-size:12.5px}}
th,td{{text-align:left;vertical-align:top;padding:3px 8px 3px 0;
border-bottom:1px solid var(--rule)}}
.narrow table{{font-size:11px}}.narrow td{{white-space:nowrap;padding:1px 6px 1px 0}}
.narrow code{{font-size:10.5px}}
th{{color:var(--soft);font-weight:600}}tr{{break-inside:avoid}}
.n{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}
code{{font:12px/1.4 ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}}
.digest{{overflow-wrap:anywhere;font-size:11px}}
.cmd{{min-width:300px}}.loss{{color:var(--bad)}}.day{{white-space:nowrap}}th.n{{white-space:normal}}
.bar{{display:inline-block;width:90px;height:9px;background:var(--box);margin-right:6px}}
.bar i{{display:block;height:9px;background:var(--run)}}td:has(.bar){{white-space:nowrap}}
figure{{margin:12px 0;break-inside:avoid}}figcaption{{font-size:13px;color:var(--soft)}}
.keys{{margin:6px 0}}.key{{display:inline-block;color:var(--on);border-radius:3px;padding:0 7px;
margin:0 6px 4px 0;font-size:11px}}
.story{{margin:10px 0 18px}}
svg{{display:block;width:100%;height:auto;break-inside:avoid;margin:4px 0}}
svg text{{font:10px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;fill:var(--soft)}}
svg text.on{{fill:var(--on)}}svg text.s{{font-size:8px}}
.grid{{stroke:var(--rule);stroke-width:.6}}.zero{{stroke:var(--soft);stroke-width:1}}
.line{{fill:none!important;stroke-width:1.6}}.ink{{stroke:var(--ink);stroke-width:1.1}}
.range{{fill:none;stroke:var(--idle);stroke-width:1;stroke-opacity:.55}}
.heat{{fill:var(--heat)}}.run{{fill:var(--run)}}
.trade{{fill:var(--good);stroke:var(--bg);stroke-width:.8}}
.exit{{stroke:var(--bad);stroke-width:2;fill:none}}
{_FILLS}
@page{{size:A4;margin:13mm}}
@media print{{
:root{{{_LIGHT}}}
body{{padding:0;max-width:none;font-size:9.5pt;print-color-adjust:exact;
-webkit-print-color-adjust:exact}}
nav{{display:none}}h2{{break-after:avoid;margin-top:18px}}h3{{break-after:avoid}}
table{{font-size:7.5pt}}code{{font-size:7pt}}.table{{overflow:visible}}
th,td{{padding:2px 5px 2px 0}}.cmd{{min-width:210px}}.bar{{width:50px}}
.narrow table{{font-size:6.5pt}}.narrow code{{font-size:6pt}}
}}
"""
"""The whole sheet."""
