"""Advice on what was used: too much, too little, or right as it is, each with the numbers it rests on."""

from inferplan.planner.rightsizing.finding import Action, Evidence, Finding, Rejected, Savings
from inferplan.planner.rightsizing.profile import PROFILES, Profile, profile_named
from inferplan.planner.rightsizing.recommend import recommend

__all__ = [
    "PROFILES",
    "Action",
    "Evidence",
    "Finding",
    "Profile",
    "Rejected",
    "Savings",
    "profile_named",
    "recommend",
]
