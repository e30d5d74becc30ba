"use strict";
/* who changed what: the newest lines of the audit trail, looked at again after a change and now and then */
const ACTIONS = { "sign-in": "signed in", "sign-out": "signed out", "wrong token": "gave a wrong token", "threshold": "set the threshold",
  "threshold not applied": "could not set the threshold", "bundle": "the bundle", "calibration": "the calibration", "start": "started" };
const AUDIT_EVERY_MS = 15000;
const short = (text) => text.length > 40 ? `${text.slice(0, 12)}…${text.slice(-12)}` : text;

async function showAudit() {
  let found;
  try {
    const answer = await fetch("api/audit");
    if (!answer.ok) return;
    found = await answer.json();
  } catch { return; }
  $("audit-box").hidden = !found.all;
  $("audit-broken").hidden = found.intact;
  setText("audit-count", `${found.all} in all, the newest ${found.events.length} here`);
  const key = JSON.stringify(found.events);
  if ($("audit").dataset.key === key) return;
  $("audit").dataset.key = key;
  $("audit").replaceChildren(...found.events.map((event) => {
    const row = element("li"), change = [short(event.old), short(event.new)].filter(Boolean).join(" → ");
    const by = [event.who, event.role && event.address ? `(${event.role})` : "", ACTIONS[event.action] || event.action].filter(Boolean).join(" ");
    row.append(element("span", "name", `${by}${change ? `: ${change}` : ""}`), element("span", "quiet", [event.at, event.address, event.reason].filter(Boolean).join(" · ")));
    return row;
  }));
}
$("sign-out").addEventListener("click", async () => {
  await fetch("sign-out", { method: "POST", headers: { "X-Sranogan": "1" } });
  location.assign("sign-in");
});
showAudit();
setInterval(() => { if (!document.hidden) showAudit(); }, AUDIT_EVERY_MS);
