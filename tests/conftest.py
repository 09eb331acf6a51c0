"""Hypothesis for all tests: no deadlines, because other work may keep the machine busy."""

from hypothesis import HealthCheck, settings

settings.register_profile("cuidx", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cuidx")
