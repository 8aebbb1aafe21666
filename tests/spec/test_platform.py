"""The platform's kinds say what the contract shows."""

from typing import Any

import pytest

from reconciler.spec import option, platform

DEFAULTS: dict[str, Any] = {
    "state": {"url": "sqlite:///state/reconcile.db"},
    "central": {"server": "main", "database": "license_manager"},
    "delivery": {"directory": "state/deliveries"},
    "keys": {"directory": "state/keys"},
    "trash": {"directory": "state/trash", "retentionDays": 30},
    "defaults": {"server": "main"},
    "guards": {"prune": False, "maxDeletes": 3, "maxDeletePercent": 10, "protect": []},
    "apply": {"parallel": 4, "leaseSeconds": 30},
    "notifications": [],
    "daemon": {
        "pollSeconds": 60,
        "retry": {"firstSeconds": 2, "longestSeconds": 900},
        "perServer": 4,
        "tenantSeconds": 600,
        "graceSeconds": 60,
        "drift": {"everySeconds": 900, "policy": "heal", "resources": {}, "healsAnHour": 50},
        "freeze": [],
        "review": "off",
    },
}


def test_an_empty_platform_has_the_documented_defaults() -> None:
    assert option.plain(platform.PLATFORM.build({})) == DEFAULTS


def test_a_platform_with_every_default_written_out_is_the_same() -> None:
    assert platform.PLATFORM.build(DEFAULTS) == platform.PLATFORM.build({})


def test_a_server_with_a_host_has_the_documented_defaults() -> None:
    server = platform.SERVER.build({"host": "127.0.0.1"})
    assert option.plain(server) == {
        "host": "127.0.0.1",
        "port": 3306,
        "user": "provisioner",
        "tls": {"mode": "disabled"},
        "clientHost": "%",
        "trustedAccounts": [],
    }
    assert server.password_from is None


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"host": "10.0.0.5", "port": 3307}, ("10.0.0.5", 3307)),
        ({"host": "10.0.0.5", "advertise": {"host": "db.example.com", "port": 3310}}, ("db.example.com", 3310)),
        ({"socket": "/s", "port": 3308, "advertise": {"host": "db.example.com"}}, ("db.example.com", 3308)),
    ],
)
def test_deliveries_say_the_advertised_address(spec: dict[str, Any], expected: tuple[str, int]) -> None:
    assert platform.SERVER.build(spec).advertised == expected
