"""What a customer has set up at the platform: routing rules, gateways and numbers, and the pages that list them."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from calltransfer.sandbox.asked import Asked, Page, page
from calltransfer.sandbox.network import Refused

PAGE = 10


@attrs.define
class Account:
    """What is set up at the platform; a test fills it in. Documents are as the platform gives them.

    Attributes:
        routing_rules: By id.
        gateways: By id; each says whether it is "inbound" or "outbound".
        numbers: The phone numbers, in E.164.
    """

    routing_rules: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    gateways: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    numbers: list[str] = attrs.field(factory=list)

    def routing_rule(
        self,
        rule_id: str,
        *,
        numbers: Iterable[str] = (),
        type: str = "outbound",  # noqa: A002 # the platform's word
        dtmf: bool | None = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Sets up a routing rule.

        Args:
            rule_id: Its id, such as "rr_outbound".
            numbers: The numbers it may show, in E.164.
            type: "outbound" or "inbound".
            dtmf: Whether keys are passed on; None: it does not say.
            headers: SIP headers that it adds.
        """
        rule = {"id": rule_id, "name": f"rule {rule_id}", "type": type, "phoneNumbers": [*numbers]}
        self.routing_rules[rule_id] = {
            **rule,
            "headers": dict(headers or {}),
            **({} if dtmf is None else {"dtmf": dtmf}),
        }

    def gateway(
        self, gateway_id: str, *, numbers: Iterable[str] = (), direction: str = "outbound", dtmf: bool = True
    ) -> None:
        """Sets up a gateway.

        Args:
            gateway_id: Its id, such as "gw_outbound".
            numbers: The numbers that belong to it, in E.164.
            direction: "outbound" or "inbound".
            dtmf: Whether keys are passed on.
        """
        gateway = {"id": gateway_id, "name": f"gateway {gateway_id}", "numbers": [*numbers], "enableDtmf": dtmf}
        self.gateways[gateway_id] = {**gateway, "direction": direction}

    @property
    def pages(self) -> list[Page]:
        """What serves it."""
        return [
            page("GET", "/v2/sip/routing-rule", self._list_rules),
            page("GET", "/v2/sip/routing-rule/([^/]+)", self._rule),
            page("GET", "/v2/sip/(inbound|outbound)-gateways/([^/]+)", self._gateway),
            page("GET", "/v2/sip/phone-numbers", self._list_numbers),
        ]

    def _list_rules(self, asked: Asked) -> Any:
        return _listed([*self.routing_rules.values()], asked)

    def _rule(self, _: Asked, rule_id: str) -> Any:
        return _one(self.routing_rules.get(rule_id))

    def _gateway(self, _: Asked, direction: str, gateway_id: str) -> Any:
        found = self.gateways.get(gateway_id, {})
        return _one(found if found.get("direction") == direction else None)

    def _list_numbers(self, asked: Asked) -> Any:
        return _listed([{"id": f"pn_{number[1:]}", "phoneNumber": number} for number in self.numbers], asked)


def _one(document: dict[str, Any] | None) -> dict[str, Any]:
    if document is None:
        raise Refused(404, "not found")
    return document


def _listed(documents: list[dict[str, Any]], asked: Asked) -> dict[str, Any]:
    number = int(asked.query.get("page", 1))
    last = max(1, -(-len(documents) // PAGE))
    info = {"currentPage": number, "perPage": PAGE, "lastPage": last, "total": len(documents)}
    return {"pageInfo": info, "data": documents[(number - 1) * PAGE : number * PAGE]}
