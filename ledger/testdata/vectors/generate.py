#!/usr/bin/env python3
"""Makes the golden vectors of ledger/FORMAT.md with none of the Go code: what the page says, a second time.

It needs Python 3.9 or newer and, for the three algorithms that the standard library lacks (Ed25519, ECDSA and AES-GCM),
pyca/cryptography 42 or newer. The protobuf wire format, the trees and the texts are written out below. Every key, salt
and nonce is derived from a fixed label, so the same files come out every time:

    python3 generate.py            writes *.json beside this file
    python3 generate.py --check    writes nothing and fails if a file differs

In the files, "message" is ProtoJSON, "bytes" and everything else that is binary is lower-case hexadecimal, and
"refused" lists named mutations, each with the rule that it breaks, that a correct reader refuses.
"""

import base64
import copy
import datetime
import functools
import hashlib
import json
import os
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

BANK = "xihu.creditbank.example"
ORIGIN = "xihu.creditbank.example/log/2026"
NEXT_ORIGIN = "xihu.creditbank.example/log/2027"

# ---------------------------------------------------------------------------------------------------------------------
# Small things


def sha256(b):
    return hashlib.sha256(b).digest()


def derived(label, size=32):
    """Bytes that look random and are the same every time."""
    return hashlib.shake_256(b"creditbank test vector: " + label.encode()).digest(size)


def uuid7(moment, label):
    """A UUID of version 7 for a moment in microseconds."""
    b = bytearray((moment // 1000).to_bytes(6, "big") + derived("uuid " + label, 10))
    b[6] = b[6] & 0x0F | 0x70
    b[8] = b[8] & 0x3F | 0x80
    return bytes(b)


def b64(b):
    return base64.b64encode(b).decode()


def flipped(b, position=-1, mask=1):
    b = bytearray(b)
    b[position] ^= mask
    return bytes(b)


def luhn(digits):
    total = 0
    for i, c in enumerate(reversed(digits)):
        value = int(c) * (2 if i % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def organization_code(first17):
    """A unified social credit code (GB 32100): 17 characters and their check character."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(alphabet.index(c) * pow(3, i, 31) for i, c in enumerate(first17))
    return first17 + alphabet[-total % 31]


SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))


def micros(text):
    """Microseconds since 1970 of a local time in Shanghai, "2026-03-02 09:00"."""
    moment = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=SHANGHAI)
    return int(moment.timestamp()) * 1_000_000


def days(text):
    """Days since 1970-01-01 of a date, "2026-03-02"."""
    return (datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days


# ---------------------------------------------------------------------------------------------------------------------
# Protobuf: the fields of FORMAT.md's messages, by hand, and just enough of the wire format to write them.
#
# A field is name=number:type. Types: u uint64, w uint32, i int64, d int32, z sint64, t bool, b bytes, s string, the name
# of an enum or of a message. A leading * is repeated, a leading ? has presence of its own.

ENUMS = {
    "Mode": "MODE UNSPECIFIED CLASSROOM ONLINE PRACTICE LECTURE ACHIEVEMENT",
    "VoidReason": "VOID_REASON UNSPECIFIED POSTED_IN_ERROR WRONG_ACCOUNT CORRECTED FRAUD",
    "Role": "ROLE UNSPECIFIED PLATFORM PROVIDER CERTIFIER ACCEPTOR AUDITOR",
    "OrganizationLevel": "ORGANIZATION_LEVEL UNSPECIFIED CITY DISTRICT TOWN VILLAGE",
    "KeyAlgorithm": "KEY_ALGORITHM UNSPECIFIED ED25519 ECDSA_P256_SHA256 SM2_SM3",
    "KeyPurpose": "KEY_PURPOSE UNSPECIFIED SIGN AUTHENTICATE",
    "OfficerRole": "OFFICER_ROLE UNSPECIFIED ADMINISTRATOR CERTIFICATION REGISTRAR",
    "CourseDecision": "COURSE_DECISION UNSPECIFIED ACCREDITED REFUSED RETIRED",
    "CourseChange": "COURSE_CHANGE UNSPECIFIED SUSPENDED REINSTATED RENEWED",
    "OrganizationChange": "ORGANIZATION_CHANGE UNSPECIFIED TRUST ROLES SUSPENDED REINSTATED ENDED",
    "ApplicationState": "APPLICATION_STATE UNSPECIFIED RETURNED ACCREDITED REFUSED APPEALED WITHDRAWN",
    "AccountStatus": "ACCOUNT_STATUS UNSPECIFIED PROVISIONAL VERIFIED FROZEN MERGED CLOSED ERASED",
    "Outcome": "OUTCOME UNSPECIFIED AWARDED IN_REVIEW NO_CREDIT DUPLICATE VOIDED REFUSED WITHDRAWN",
    "Stage": "STAGE UNSPECIFIED ELIGIBILITY HOURS DUPLICATES CONVERSION CAPS ROUNDING REVIEW VALIDITY DECISION "
             "POINTS",
    "CaseStep": "CASE_STEP UNSPECIFIED REJECTED HOURS_ONLY TAKEN RELEASED RETURNED RESUBMITTED EVIDENCE_LAPSED RECOMMENDED "
                "RECOMMENDED_REJECTION RECOMMENDED_HOURS_ONLY PUBLISHED OBJECTED OBJECTION_DISMISSED APPEALED WITHDRAWN REVOKED "
                "CLAWED_BACK",
    "ClawbackState": "CLAWBACK_STATE UNSPECIFIED PROPOSED CONFIRMED DECLINED FINISHED HELD RELEASED",
    "CaseStatus": "CASE_STATUS UNSPECIFIED SUBMITTED APPROVED REJECTED WITHDRAWN FIRST_REVIEW RETURNED SECOND_REVIEW "
                  "PUBLIC_NOTICE OBJECTED APPEALED REVOKED",
    "ItemKind": "ITEM_KIND UNSPECIFIED OPENING_BALANCE CLAIM",
    "ClaimKind": "CLAIM_KIND UNSPECIFIED CERTIFICATE WORK VOLUNTEERING TEACHING",
    "TransferStage": "TRANSFER_STAGE UNSPECIFIED AVAILABLE SOURCE CATEGORY REQUIREMENT SCORE AGE COURSE RATIO ROUNDING CAPS",
    "HoldVoid": "HOLD_VOID UNSPECIFIED DECLINED WITHDRAWN REVERSED",
    "HoldStatus": "HOLD_STATUS UNSPECIFIED HELD POSTED DECLINED WITHDRAWN REVERSED EXPIRED",
    "RowAction": "ROW_ACTION UNSPECIFIED RECORD REVERSE",
    "MergeStatus": "MERGE_STATUS UNSPECIFIED PROPOSED REVIEWED REFUSED MOVING MERGED UNDO_PROPOSED RETURNING UNDONE",
    "MergeStep": "MERGE_STEP UNSPECIFIED REVIEWED REFUSED UNDO_PROPOSED UNDO_REFUSED",
}

MESSAGES = {
    "Timestamp": "seconds=1:i nanos=2:d",
    # creditbank.statement.v1
    "Statement": "id=1:b salt=2:b completion=3:Completion completion_void=4:CompletionVoid",
    "Completion": "account_number=1:s provider=2:s course=3:s course_version=4:s mode=5:Mode sessions=6:*Session "
                  "attendance=7:Attendance score=8:?d passed=9:?t site=10:s",
    "Session": "start_time=1:Timestamp end_time=2:Timestamp minutes=3:i",
    "Attendance": "held=1:d attended=2:d late=3:d",
    "CompletionVoid": "statement_id=1:b reason=2:VoidReason",
    # creditbank.ledger.v1, entries
    "Entry": "index=1:u time=2:i salt=3:b completion_recorded=4:CompletionRecorded "
             "submission_received=5:SubmissionReceived completion_voided=6:CompletionVoided "
             "credits_awarded=7:CreditsAwarded case_step_taken=8:CaseStepTaken credits_released=9:CreditsReleased "
             "credits_expired=10:CreditsExpired account_opened=11:AccountOpened organization_changed=12:OrganizationChanged "
             "course_changed=13:CourseChanged accreditation_applied=14:AccreditationApplied "
             "organization_registered=16:OrganizationRegistered key_added=17:KeyAdded key_revoked=18:KeyRevoked "
             "officer_appointed=19:OfficerAppointed officer_removed=20:OfficerRemoved "
             "policy_proposed=21:PolicyProposed policy_published=22:PolicyPublished course_proposed=23:CourseProposed "
             "course_decided=24:CourseDecided bank_founded=25:BankFounded case_opened=26:CaseOpened "
             "log_continued=27:LogContinued claim_filed=29:ClaimFiled opening_balances_proposed=38:OpeningBalancesProposed "
             "opening_balances_confirmed=39:OpeningBalancesConfirmed opening_balance_recorded=40:OpeningBalanceRecorded "
             "opening_balance_reversed=41:OpeningBalanceReversed account_merge_proposed=42:AccountMergeProposed "
             "account_merge_step_taken=43:AccountMergeStepTaken accounts_merged=44:AccountsMerged item_moved=45:ItemMoved "
             "accounts_unmerged=46:AccountsUnmerged item_returned=47:ItemReturned clawback_proposed=48:ClawbackProposed "
             "clawback_decided=49:ClawbackDecided credits_reversed=50:CreditsReversed completion_held=51:CompletionHeld "
             "application_step_taken=52:ApplicationStepTaken "
             "agreement_published=58:AgreementPublished "
             "agreement_ended=59:AgreementEnded consent_granted=60:ConsentGranted consent_withdrawn=61:ConsentWithdrawn "
             "hold_placed=64:HoldPlaced hold_posted=65:HoldPosted "
             "hold_voided=66:HoldVoided hold_expired=67:HoldExpired",
    "BankFounded": "bank_id=1:s origin=2:s format=3:w",
    "LogContinued": "origin=1:s last_verifier_key=2:s last_checkpoint=3:b",
    "Actor": "organization=1:s officer=2:s key_id=3:b resident=4:t",
    "Request": "method=1:s request_id=2:b hash=3:b",
    "OrganizationRegistered": "actor=1:Actor request=2:Request organization=3:s name=4:s code=5:s "
                              "level=6:OrganizationLevel parent=7:s roles=8:*Role trust_tier=9:w",
    "KeyAdded": "actor=1:Actor request=2:Request organization=3:s key_id=4:b public_key=5:b algorithm=6:KeyAlgorithm "
                "purpose=7:KeyPurpose valid_from=8:i valid_until=9:i proof=10:b",
    "KeyRevoked": "actor=1:Actor request=2:Request key_id=3:b compromised_since=4:i reason=5:s",
    "OfficerAppointed": "actor=1:Actor request=2:Request officer=3:s organization=4:s roles=5:*OfficerRole",
    "OfficerRemoved": "actor=1:Actor request=2:Request officer=3:s reason=4:s",
    "PolicyProposed": "actor=1:Actor request=2:Request policy_hash=3:b yaml=4:b organization=5:s policy=6:s version=7:s "
                      "effective_from_day=8:d effective_until_day=9:d",
    "PolicyPublished": "actor=1:Actor request=2:Request policy_hash=3:b proposed_index=4:u",
    "CourseProposed": "actor=1:Actor request=2:Request provider=3:s code=4:s version=5:s title=6:s category=7:s level=8:w "
                      "nominal_minutes=9:i equivalence_group=10:s valid_from_day=11:d valid_until_day=12:d capacity=13:w",
    "CourseDecided": "actor=1:Actor request=2:Request course=3:u decision=4:CourseDecision last_day=5:d reason=6:s "
                     "reason_code=7:s appeal_until_day=8:d",
    "CourseChanged": "actor=1:Actor request=2:Request course=3:u change=4:CourseChange from_day=5:d until_day=6:d reason_code=7:s "
                     "reason=8:s",
    "OrganizationChanged": "actor=1:Actor request=2:Request organization=3:s change=4:OrganizationChange trust_tier=5:w "
                           "roles=6:*Role from_day=7:d until_day=8:d reason_code=9:s reason=10:s",
    "AccreditationApplied": "actor=1:Actor request=2:Request organization=3:s role=4:Role valid_from_day=5:d valid_until_day=6:d "
                            "statement=7:s",
    "ApplicationStepTaken": "actor=1:Actor request=2:Request application=3:u state=4:ApplicationState valid_from_day=5:d "
                            "valid_until_day=6:d trust_tier=7:w reason_code=8:s note=9:s appeal_until_day=10:d",
    "AccountOpened": "actor=1:Actor request=2:Request account=3:b home=4:s status=5:AccountStatus",
    "SubmissionReceived": "organization=1:s key_id=2:b signature=3:b statement_hashes=4:b",
    "Origin": "organization=1:s statement_id=2:b statement_hash=3:b submission=4:u position=5:w key_id=6:b signature=7:b",
    "CompletionRecorded": "origin=1:Origin account=2:b course=3:u category=4:s outcome=5:Outcome policy_hash=6:b "
                          "effects=7:Effects minutes=8:i causes=9:*s risk=10:w end_day=11:d sealed=12:b due=15:i",
    "SessionTime": "day=1:d start=2:i length=3:d",
    "Effects": "hours=1:*YearMinutes lots=2:*Lot lot_changes=3:*LotChange usage=4:*CapUsage remainder=5:z "
               "days=6:*DayMinutes group=7:GroupChange sessions=8:*SessionTime sessions_removed=9:*SessionTime "
               "replaces=10:Reversal points=11:*Points",
    "Reversal": "completion=1:CompletionRef hours=2:*YearMinutes usage=3:*CapUsage days=4:*DayMinutes remainder=5:z "
                "points=6:*Points",
    "Points": "lapses_day=1:d milli_points=2:z",
    "GroupChange": "group=1:s completion=2:CompletionRef",
    "CompletionRef": "index=1:u end_day=2:d",
    "YearMinutes": "year=1:d category=2:s minutes=3:z",
    "Lot": "category=1:s level=2:w available=3:i pending=4:i expires_day=5:d caps=6:*s",
    "LotChange": "entry=1:u position=2:w pending=3:z available=4:z reserved=5:z transferred=6:z expired=7:z reversed=8:z "
                 "completion=9:CompletionRef",
    "CapUsage": "key=1:s milli_credits=2:z",
    "DayMinutes": "day=1:d rule=2:s minutes=3:z",
    "SealedCompletion": "statement=1:b reasons=2:*Reason posted_at=3:i",
    "Reason": "stage=1:Stage rule=2:s before=3:i after=4:i limit=5:i carried=6:i",
    "CompletionVoided": "origin=1:Origin account=2:b completion=3:CompletionRef effects=4:Effects sealed=5:b "
                        "unrecovered=6:i",
    "SealedVoid": "statement=1:b",
    "CreditsAwarded": "actor=1:Actor request=2:Request case=3:u completion=4:CompletionRef account=5:b outcome=6:Outcome "
                      "effects=7:Effects sealed=8:b",
    "CaseStepTaken": "actor=1:Actor request=2:Request case=3:u completion=4:CompletionRef account=5:b step=6:CaseStep "
                     "outcome=7:Outcome effects=8:Effects sealed=9:b state=10:CaseStatus deadline=11:i due=12:i lease_until=13:i "
                     "unrecovered=14:i",
    "SealedDecision": "reason_code=1:s note=2:s reasons=3:*Reason objector=4:b grant=5:ClaimGrant evidence=6:*Evidence",
    "ClaimFiled": "actor=1:Actor request=2:Request account=3:b organization=4:s category=5:s end_day=6:d policy_hash=7:b "
                  "causes=8:*s risk=9:w due=10:i sealed=11:b",
    "SealedClaim": "kind=1:ClaimKind title=2:s issuer=3:s begin_day=4:d description=5:s claimed=6:ClaimGrant "
                   "evidence=7:*Evidence",
    "ClaimGrant": "minutes=1:i milli_credits=2:i",
    "Evidence": "id=1:b size=2:w media_type=3:s name=4:s",
    "CaseOpened": "account=1:b completion=2:CompletionRef causes=3:*s risk=4:w due=5:i",
    "CreditsReleased": "account=1:b effects=2:Effects",
    "CreditsExpired": "account=1:b effects=2:Effects",
    "OpeningBalancesProposed": "actor=1:Actor request=2:Request organization=3:s source=4:s file_hash=5:b rows=6:w "
                               "reversals=7:w part_roots=8:b totals=9:*CategoryAmount",
    "CategoryAmount": "category=1:s minutes=2:i milli_credits=3:i",
    "OpeningBalancesConfirmed": "actor=1:Actor request=2:Request import=3:u file_hash=4:b",
    "ImportOrigin": "import=1:u part=2:w position=3:w source_id=4:b row_digest=5:b",
    "OpeningBalanceRecorded": "actor=1:Actor origin=2:ImportOrigin account=3:b source=4:s category=5:s earned_day=6:d "
                              "effects=7:Effects sealed=8:b",
    "OpeningBalanceReversed": "actor=1:Actor origin=2:ImportOrigin account=3:b balance=4:CompletionRef effects=5:Effects "
                              "unrecovered=6:i sealed=7:b",
    "SealedOpeningBalance": "row=1:b",
    "AgreementPublished": "actor=1:Actor request=2:Request agreement_hash=3:b yaml=4:b institution=5:s agreement=6:s version=7:s "
                          "effective_from_day=8:d effective_until_day=9:d key_id=10:b signature=11:b",
    "AgreementEnded": "actor=1:Actor request=2:Request agreement_hash=3:b last_day=4:d",
    "ConsentGranted": "actor=1:Actor request=2:Request account=3:b institution=4:s purpose=5:s categories=6:*s items=7:*u "
                      "expires=8:i",
    "ConsentWithdrawn": "actor=1:Actor request=2:Request account=3:b consent=4:u",
    "OpeningBalanceRow": "action=1:RowAction account_number=2:s document_kind=3:s document_number=4:s source_record=5:s "
                         "category=6:s minutes=7:i milli_credits=8:i earned_on=9:s expires_on=10:s title=11:s",
    "HoldPlaced": "actor=1:Actor request=2:Request account=3:b institution=4:s programme=5:s agreement=6:u quote_digest=7:b "
                  "items=8:*HoldItem effects=9:Effects deadline=10:i sealed=11:b",
    "SealedTransfer": "items=1:*SealedTransferItem",
    "SealedTransferItem": "reasons=1:*TransferReason",
    "TransferReason": "stage=1:TransferStage rule=2:s before=3:i after=4:i limit=5:i carried=6:i",
    "HoldItem": "entry=1:u position=2:w completion=3:CompletionRef milli_credits=4:i granted=5:i recognised=6:t category=7:s "
                "course=8:s counts=9:*CapUsage",
    "HoldPosted": "actor=1:Actor request=2:Request hold=3:u account=4:b taken=5:*HoldTaken effects=6:Effects sealed=7:b",
    "HoldTaken": "milli_credits=1:i granted=2:i",
    "HoldVoided": "actor=1:Actor request=2:Request hold=3:u account=4:b cause=5:HoldVoid completion=6:CompletionRef "
                  "effects=7:Effects sealed=8:b",
    "HoldExpired": "hold=1:u account=2:b effects=3:Effects",
    "AccountMergeProposed": "actor=1:Actor request=2:Request from=3:b into=4:b reason_code=5:s",
    "AccountMergeStepTaken": "actor=1:Actor request=2:Request merge=3:u step=4:MergeStep reason_code=5:s",
    "AccountsMerged": "actor=1:Actor request=2:Request merge=3:u from=4:b into=5:b items=6:i",
    "ItemMoved": "merge=1:u from=2:b into=3:b item=4:CompletionRef outcome=5:Outcome effects=6:Effects causes=7:*s risk=8:w "
                 "due=9:i sealed=10:b",
    "AccountsUnmerged": "actor=1:Actor request=2:Request merge=3:u from=4:b into=5:b",
    "ItemReturned": "merge=1:u from=2:b into=3:b item=4:CompletionRef effects=5:Effects lots=6:*LotChange restores=7:Reversal",
    "ClawbackSelection": "completion=1:u course=2:u organization=3:u from_day=4:d to_day=5:d recorded_from=6:i "
                         "recorded_until=7:i before=8:u",
    "ClawbackTotals": "completions=1:i accounts=2:i minutes=3:i milli_points=4:i pending=5:i available=6:i reserved=7:i "
                      "transferred=8:i expired=9:i cases=10:i",
    "ClawbackProposed": "actor=1:Actor request=2:Request organization=3:s selection=4:ClawbackSelection "
                        "totals=5:ClawbackTotals digest=6:b reason_code=7:s reason=8:s hold=9:t hold_future=10:t",
    "ClawbackDecided": "actor=1:Actor request=2:Request clawback=3:u state=4:ClawbackState totals=5:ClawbackTotals digest=6:b "
                       "unreached=7:i",
    "CreditsReversed": "account=1:b completion=2:CompletionRef clawback=3:u effects=4:Effects unrecovered=5:i causes=6:*s "
                       "risk=7:w deadline=8:i",
    "CompletionHeld": "account=1:b completion=2:CompletionRef clawback=3:u free=4:t effects=5:Effects",
    # creditbank.ledger.v1, rows
    "TreeRow": "size=1:u time=2:i root=3:b partial_leaves=4:b",
    "AccountRow": "opened_index=1:u opened_time=2:i status=3:AccountStatus home=4:s completions=5:i sums=6:*CategorySum "
                  "hours=7:*YearMinutes usage=8:*CapUsage remainders=9:*CourseRemainder groups=10:*GroupChange "
                  "pending=11:*LotRef expiring=12:*LotRef points=13:*Points deadlines=16:*CaseDeadline "
                  "opening_balances=19:i claims=24:i merged_into=25:b merge_plus_one=26:u moving=27:t holds=30:*AccountHold "
                  "transfers=31:*u first_week=32:d end_week=33:d",
    "AccountHold": "hold=1:u deadline=2:i",
    "CategorySum": "category=1:s minutes=2:i pending=3:i available=4:i reserved=5:i transferred=6:i expired=7:i "
                   "reversed=8:i issued=9:i",
    "CourseRemainder": "course=1:u minutes=2:i",
    "LotRef": "entry=1:u position=2:w completion=3:CompletionRef expires_day=4:d",
    "WeekRow": "items=1:*CompletionItem days=2:*DayItem",
    "CompletionItem": "index=1:u changed_index=2:u time=3:i organization=4:u course=5:u category=6:s outcome=7:Outcome "
                      "minutes=8:i lots=9:*LotState end_day=10:d case_plus_one=11:u decided_plus_one=12:u "
                      "effects_in=13:*u milli_points=14:i last_case_plus_one=16:u kind=17:ItemKind source=18:s "
                      "moved_plus_one=20:u merge_plus_one=21:u clawback_plus_one=23:u held_plus_one=24:u",
    "LotState": "entry=1:u position=2:w pending=3:i available=4:i reserved=5:i transferred=6:i expired=7:i reversed=8:i "
                "expires_day=9:d uses=10:*LotUse",
    "LotUse": "hold=1:u organization=2:u milli_credits=3:i recognised=4:t item=5:w",
    "TransferRow": "status=1:HoldStatus account=2:b organization=3:u programme=4:s agreement=5:u time=6:i deadline=7:i "
                   "items=8:*HoldItem taken=9:*HoldTaken ended_plus_one=10:u ended_time=11:i clawbacks=12:*TransferClawback "
                   "changed_index=13:u",
    "TransferClawback": "entry=1:u item=2:w",
    "DayItem": "day=1:d sessions=2:*DaySession minutes=3:*DayMinutes",
    "DaySession": "completion=1:u organization=2:u start=3:i length=4:d",
    "OrganizationRow": "index=1:u fact=2:OrganizationRegistered trust_tier=3:w roles_plus_one=4:u roles=5:*Role "
                       "accredited=6:*RoleWindow suspended=7:*DayRange last_day=8:d",
    "DayRange": "from_day=1:d until_day=2:d",
    "RoleWindow": "role=1:Role days=2:DayRange application=3:u",
    "Progress": "state=1:ApplicationState time=2:i changed_index=3:u deciders=4:*s steps=5:*u returns=6:w appeals=7:w "
                "appeal_until_day=8:d",
    "ApplicationRow": "index=1:u time=2:i fact=3:AccreditationApplied progress=4:Progress",
    "KeyRow": "index=1:u time=2:i fact=3:KeyAdded revoked_time=4:i compromised_since=5:i",
    "OfficerRow": "index=1:u fact=2:OfficerAppointed removed_plus_one=3:u",
    "CourseRow": "index=1:u fact=2:CourseProposed decision=3:CourseDecision last_day=4:d renewed=5:*DayRange "
                 "suspended=6:*DayRange progress=7:Progress",
    "PolicyRow": "index=1:u time=2:i fact=3:PolicyProposed published_plus_one=4:u published_time=5:i",
    "CaseRow": "status=1:CaseStatus account=2:b completion=3:CompletionRef causes=4:*s risk=5:w time=6:i "
               "decided_plus_one=7:u decided_time=8:i officer=9:s course=10:u deadline=11:i due=12:i holder=13:s "
               "lease_until=14:i notice_until=15:i reviewers=16:*CaseReviewer steps=17:*u changed_index=18:u status_time=19:i "
               "returns=20:w objections=21:w appeals=22:w organization=23:u filed_by=24:s "
               "clawback_plus_one=25:u",
    "CaseReviewer": "stage=1:CaseStatus officer=2:s",
    "CaseDeadline": "case=1:u time=2:i",
    "ImportRow": "time=1:i fact=2:OpeningBalancesProposed confirmed_plus_one=3:u confirmed_time=4:i confirmed_by=5:s",
    "MergeRow": "time=1:i fact=2:AccountMergeProposed status=3:MergeStatus changed_index=4:u reviewed_by=5:s merged_by=6:s "
                "merged_plus_one=7:u refused_by=8:s undo_proposed_by=9:s undone_by=10:s status_before=11:AccountStatus items=12:i "
                "left=13:i through_plus_one=14:u reason_code=15:s",
    "ClawbackRow": "time=1:i fact=2:ClawbackProposed state=3:ClawbackState state_time=4:i decided_by=5:s "
                   "confirmed=6:ClawbackTotals completions=7:i minutes=8:i milli_points=9:i reversed=10:i unrecovered=11:i "
                   "unreached=12:i held=13:i",
    "RequestRow": "hash=1:b index=2:u",
    "AgreementRow": "index=1:u time=2:i fact=3:AgreementPublished ended_plus_one=4:u last_day=5:d",
    "ConsentRow": "time=1:i fact=2:ConsentGranted withdrawn_plus_one=3:u withdrawn_time=4:i withdrawn_by=5:s",
}


def enum_names(name):
    prefix, *rest = ENUMS[name].split()
    return [f"{prefix}_{value}" for value in rest]


@functools.cache
def fields(name):
    """(number, field, type, repeated, explicit) of a message, in the order of the numbers."""
    result = []
    for spec in MESSAGES[name].split():
        field, rest = spec.split("=")
        number, kind = rest.split(":")
        result.append((int(number), field, kind.lstrip("*?"), kind[0] == "*", kind[0] == "?"))
    return sorted(result)


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def tag(number, wire):
    return varint(number << 3 | wire)


def delimited(number, b):
    return tag(number, 2) + varint(len(b)) + b


def as_int(kind, value):
    if kind == "z":
        return value << 1 ^ value >> 63
    if kind in ENUMS:
        return enum_names(kind).index(value) if isinstance(value, str) else value
    return int(value)


def encode(name, message):
    """The bytes of a message: fields in the order of their numbers, defaults left out, numbers packed."""
    unknown = set(message) - {f[1] for f in fields(name)}
    assert not unknown, (name, unknown)
    out = b""
    for number, field, kind, repeated, explicit in fields(name):
        if field not in message or message[field] is None:
            continue
        value = message[field]
        if kind in MESSAGES:
            for item in value if repeated else [value]:
                out += delimited(number, encode(kind, item))
        elif kind in "bs":
            for item in value if repeated else [value]:
                if repeated or item:
                    out += delimited(number, item.encode() if kind == "s" else item)
        elif repeated:
            if value:
                out += delimited(number, b"".join(varint(as_int(kind, item)) for item in value))
        elif explicit or as_int(kind, value) != 0:
            out += tag(number, 0) + varint(as_int(kind, value))
    return out


def to_json(name, message):
    """The ProtoJSON of a message, with the names of the .proto files."""
    if name == "Timestamp":
        moment = datetime.datetime.fromtimestamp(message.get("seconds", 0), datetime.timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    out = {}
    for _, field, kind, repeated, explicit in fields(name):
        value = message.get(field)
        if value is None or (not explicit and kind not in MESSAGES and not value) or (repeated and not value):
            continue

        def one(item):
            if kind in MESSAGES:
                return to_json(kind, item)
            if kind == "b":
                return b64(item)
            if kind in ("u", "i", "z"):
                return str(item)
            return item

        if kind in ENUMS and value == enum_names(kind)[0]:
            continue
        out[field] = [one(item) for item in value] if repeated else one(value)
    return out


# ---------------------------------------------------------------------------------------------------------------------
# RFC 6962, tlog-tiles, signed notes


def leaf_hash(b):
    return sha256(b"\x00" + b)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def split(n):
    """The largest power of two below n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


class Tree:
    """RFC 6962, section 2.1, over leaf hashes."""

    def __init__(self, leaves):
        self.leaves = leaves
        self.nodes = {}

    def root(self, lo=0, hi=None):
        hi = len(self.leaves) if hi is None else hi
        if hi == lo:
            return sha256(b"")
        if hi - lo == 1:
            return self.leaves[lo]
        if (lo, hi) not in self.nodes:
            k = lo + split(hi - lo)
            self.nodes[lo, hi] = node_hash(self.root(lo, k), self.root(k, hi))
        return self.nodes[lo, hi]

    def path(self, m, size):
        def walk(m, lo, hi):
            if hi - lo == 1:
                return []
            k = split(hi - lo)
            if m < k:
                return walk(m, lo, lo + k) + [self.root(lo + k, hi)]
            return walk(m - k, lo + k, hi) + [self.root(lo, lo + k)]

        return walk(m, 0, size)

    def consistency(self, old, new):
        def walk(m, lo, hi, whole):
            if m == hi - lo:
                return [] if whole else [self.root(lo, hi)]
            k = split(hi - lo)
            if m <= k:
                return walk(m, lo, lo + k, whole) + [self.root(lo + k, hi)]
            return walk(m - k, lo + k, hi, False) + [self.root(lo, lo + k)]

        return walk(old, 0, new, True)

    def tile(self, level, index, width):
        span = 256**level
        first = 256 * index
        return b"".join(self.root((first + i) * span, (first + i + 1) * span) for i in range(width))


def note_key(name, key):
    """(id, verifier key) of an Ed25519 key of signed notes."""
    public = b"\x01" + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key_id = sha256(name.encode() + b"\n" + public)[:4]
    return key_id, f"{name}+{key_id.hex()}+{b64(public)}"


def signed_note(text, name, key, signature=None):
    key_id, _ = note_key(name, key)
    signature = key.sign(text.encode()) if signature is None else signature
    return f"{text}\n— {name} {b64(key_id + signature)}\n"


def checkpoint_text(size, root, origin=ORIGIN):
    return f"{origin}\n{size}\n{b64(root)}\n"


# ---------------------------------------------------------------------------------------------------------------------
# Keys and the texts that they sign


class Key:
    def __init__(self, label, algorithm):
        self.algorithm = algorithm
        if algorithm == "ed25519":
            self.private = derived("key " + label)
            self.key = Ed25519PrivateKey.from_private_bytes(self.private)
        else:
            self.private = derived("key " + label)
            self.key = ec.derive_private_key(int.from_bytes(self.private, "big"), ec.SECP256R1())
        self.spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.id = sha256(self.spki)

    @property
    def enum(self):
        return {"ed25519": "KEY_ALGORITHM_ED25519", "ecdsa-p256-sha256": "KEY_ALGORITHM_ECDSA_P256_SHA256"}[self.algorithm]

    def sign(self, message):
        if self.algorithm == "ed25519":
            return self.key.sign(message)
        return self.key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))  # RFC 6979


def submission_text(organization, key_id, count, root, bank=BANK):
    return (f"creditbank/v1 submission\n{bank}\n{organization}\n{key_id.hex()}\n"
            f"application/vnd.creditbank.statement.v1+protobuf\n{count}\n{b64(root)}\n").encode()


def agreement_text(institution, key_id, digest, bank=BANK):
    return (f"creditbank/v1 agreement\n{bank}\n{institution}\n{key_id.hex()}\n"
            f"application/vnd.creditbank.agreement.v1+yaml\n{b64(digest)}\n").encode()


def registration_text(organization, key_id, purpose, bank=BANK):
    return f"creditbank/v1 key registration\n{bank}\n{organization}\n{key_id.hex()}\n{purpose}\n".encode()


COLLEGE, PLATFORM, SCHOOL = "xihu-college", "sanfu-learning", "cuiyuan-school"
COLLEGE_CODE, PLATFORM_CODE, SCHOOL_CODE = map(
    organization_code, ("12330106470112345", "91330106MA2B0C1D2", "12330106470154321"))
PLATFORM_KEY = Key("platform sign", "ed25519")
PLATFORM_P256 = Key("platform sign p-256", "ecdsa-p256-sha256")
PLATFORM_TOKEN = Key("platform authenticate", "ed25519")
OTHER_KEY = Key("somebody else", "ed25519")
UNIVERSITY, UNIVERSITY_CODE = "open-university", organization_code("12330000470191234")
UNIVERSITY_KEY = Key("university sign", "ed25519")
LOG_KEY = Ed25519PrivateKey.from_private_bytes(derived("key log"))
NEXT_LOG_KEY = Ed25519PrivateKey.from_private_bytes(derived("key next log"))
OTHER_LOG_KEY = Ed25519PrivateKey.from_private_bytes(derived("key other log"))

NUMBER = "314159265358979"
NUMBER += luhn(NUMBER)
OTHER_NUMBER = "918273645546372"
OTHER_NUMBER += luhn(OTHER_NUMBER)
ACCOUNT, OTHER_ACCOUNT = derived("account a", 16), derived("account b", 16)
FORMER_ACCOUNT = derived("account c", 16)
ACCOUNT_KEY, OTHER_ACCOUNT_KEY = derived("account key a"), derived("account key b")

# ---------------------------------------------------------------------------------------------------------------------
# Statements


def seconds(text):
    return {"seconds": micros(text) // 1_000_000}


def session(start, end, minutes):
    return {"start_time": seconds(start), "end_time": seconds(end), "minutes": minutes}


def statement(label, moment, **assertion):
    return {"id": uuid7(micros(moment), label), "salt": derived("salt " + label, 16), **assertion}


def completion(course, sessions, **more):
    return {"account_number": NUMBER, "provider": COLLEGE, "course": course, "course_version": "2026",
            "mode": "MODE_CLASSROOM", "sessions": sessions, **more}


STATEMENTS = {
    # What the log below records.
    "tea-1": statement("tea-1", "2026-03-10 11:05", completion=completion(
        "tea-101", [session("2026-03-10 09:30", "2026-03-10 11:00", 90)],
        attendance={"held": 1, "attended": 1}, site="cuiyuan/room-2")),
    "tea-2": statement("tea-2", "2026-03-17 12:00", completion=completion(
        "tea-101", [session("2026-03-17 09:30", "2026-03-17 11:36", 126)],
        attendance={"held": 2, "attended": 1, "late": 1}, passed=True)),
    "tea-unknown": statement("tea-unknown", "2026-03-17 12:00", completion=completion(
        "tea-999", [session("2026-03-16 09:30", "2026-03-16 11:00", 90)])),
    "aid-1": statement("aid-1", "2026-03-17 12:00", completion=completion(
        "aid-1", [session("2026-03-14 09:00", "2026-03-14 12:00", 180), session("2026-03-15 09:00", "2026-03-15 12:00", 180)],
        score=70, passed=True)),
    "aid-2": statement("aid-2", "2026-04-02 20:00", completion=completion(
        "aid-1", [session("2026-04-01 18:00", "2026-04-01 21:00", 180), session("2026-04-02 18:00", "2026-04-02 19:59", 119)],
        mode="MODE_ONLINE", score=95, passed=True)),
    "tea-1-void": statement("tea-1-void", "2026-04-03 09:00", completion_void={
        "statement_id": uuid7(micros("2026-03-10 11:05"), "tea-1"), "reason": "VOID_REASON_CORRECTED"}),
    # Corners.
    "minimal-completion": statement("minimal", "2026-05-01 10:00", completion={
        "account_number": NUMBER, "provider": "ab", "course": "c", "course_version": "1", "mode": "MODE_LECTURE",
        "sessions": [session("2026-05-01 09:00", "2026-05-01 09:01", 1)]}),
    "score-zero-and-not-passed": statement("zero", "2026-05-01 10:00", completion=completion(
        "tea-101", [session("2026-05-01 09:00", "2026-05-01 09:45", 45)], score=0, passed=False,
        attendance={"held": 1})),
    "achievement": statement("achievement", "2026-05-01 10:00", completion=completion(
        "degree", [session("2025-05-01 00:00", "2026-05-01 00:00", 0)], mode="MODE_ACHIEVEMENT", passed=True)),
    "session-of-a-minute-and-a-second": statement("second", "2026-05-01 10:00", completion=completion(
        "tea-101", [{"start_time": {"seconds": 1777597200}, "end_time": {"seconds": 1777597261}, "minutes": 2}])),
    "longest-session": statement("longest", "2026-05-03 10:00", completion=completion(
        "tea-101", [session("2026-05-01 09:00", "2026-05-02 09:00", 1440)])),
    "sixty-four-sessions": statement("sessions", "2026-05-01 13:00", completion=completion(
        "tea-101", [session(f"2026-05-01 {9 + i // 60:02}:{i % 60:02}", f"2026-05-01 {9 + (i + 1) // 60:02}:{(i + 1) % 60:02}", 1)
                    for i in range(64)])),
    "version-4-id": {**statement("v4", "2026-05-01 10:00", completion_void={
        "statement_id": bytes.fromhex("f47ac10b58cc4372a5670e02b2c3d479"), "reason": "VOID_REASON_FRAUD"}),
        "id": bytes.fromhex("9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d")},
}
STATEMENT_BYTES = {name: encode("Statement", message) for name, message in STATEMENTS.items()}


def statement_vectors():
    good = STATEMENTS["tea-1"]

    def changed(**fields_of_completion):
        message = copy.deepcopy(good)
        message["completion"].update(fields_of_completion)
        return encode("Statement", message)

    def sessions(*list_of_sessions, **more):
        return changed(sessions=list(list_of_sessions), **more)

    one = good["completion"]["sessions"][0]
    b = STATEMENT_BYTES["tea-1"]
    head = delimited(1, good["id"]) + delimited(2, good["salt"])
    body = encode("Completion", good["completion"])
    extra = tag(99, 0) + varint(1)  # a field that no message has
    without_sessions = encode("Completion", {**good["completion"], "sessions": []})
    start, end = encode("Timestamp", one["start_time"]), encode("Timestamp", one["end_time"])
    void = STATEMENTS["tea-1-void"]

    def with_session(b):
        return head + delimited(3, without_sessions + delimited(6, b))

    refused = [
        ("truncated", b[:-1], "the bytes are no message"),
        ("empty", b"", "id: 16 bytes"),
        ("too-long", head + delimited(3, body + delimited(98, bytes(16 * 1024))), "at most 16,384 bytes"),
        ("id-short", encode("Statement", {**good, "id": good["id"][:15]}), "id: 16 bytes"),
        ("id-nil", encode("Statement", {**good, "id": bytes(16)}), "id: not the nil UUID"),
        ("id-max", encode("Statement", {**good, "id": b"\xff" * 16}), "id: not the max UUID"),
        ("id-variant", encode("Statement", {**good, "id": flipped(good["id"], 8, 0x40)}), "id: the variant of RFC 9562"),
        ("salt-missing", encode("Statement", {**good, "salt": b""}), "salt: 16 bytes"),
        ("salt-long", encode("Statement", {**good, "salt": bytes(17)}), "salt: 16 bytes"),
        ("no-assertion", head, "exactly one assertion"),
        ("completion-and-void", b + delimited(4, encode("CompletionVoid", void["completion_void"])), "exactly one assertion"),
        ("void-and-completion", head + delimited(4, encode("CompletionVoid", void["completion_void"])) + delimited(3, body),
         "exactly one assertion"),
        ("completion-in-two-parts", head + delimited(3, without_sessions) + delimited(3, encode(
            "Completion", {"sessions": good["completion"]["sessions"]})), "exactly one assertion"),
        ("unknown-field", b + extra, "no unknown field"),
        ("unknown-field-in-completion", head + delimited(3, body + extra), "no unknown field"),
        ("unknown-field-in-session",
         with_session(delimited(1, start) + delimited(2, end) + tag(3, 0) + varint(90) + extra), "no unknown field"),
        ("unknown-field-in-start-time",
         with_session(delimited(1, start + extra) + delimited(2, end) + tag(3, 0) + varint(90)), "no unknown field"),
        ("unknown-field-in-attendance",
         head + delimited(3, encode("Completion", {**good["completion"], "attendance": None})
                          + delimited(7, encode("Attendance", {"held": 1, "attended": 1}) + extra)), "no unknown field"),
        ("unknown-field-in-void", delimited(1, void["id"]) + delimited(2, void["salt"])
         + delimited(4, encode("CompletionVoid", void["completion_void"]) + extra), "no unknown field"),
        ("account-number-check-digit", changed(account_number=NUMBER[:-1] + str((int(NUMBER[-1]) + 1) % 10)),
         "account_number: Luhn"),
        ("account-number-grouped", changed(account_number=NUMBER[:4] + " " + NUMBER[4:]), "account_number: 16 digits"),
        ("provider-upper-case", changed(provider="Xihu-College"), "provider: an organization id"),
        ("course-empty", changed(course=""), "course: 1 to 64 characters"),
        ("course-with-space", changed(course="tea 101"), "course: letters, digits and -_."),
        ("version-long", changed(course_version="1" * 17), "course_version: 1 to 16 characters"),
        ("mode-unspecified", changed(mode="MODE_UNSPECIFIED"), "mode: a known value"),
        ("mode-unknown", changed(mode=6), "mode: a known value"),
        ("no-session", sessions(), "sessions: 1 to 64"),
        ("sixty-five-sessions", changed(sessions=[session(f"2026-05-{1 + i // 24:02} {i % 24:02}:00",
                                                          f"2026-05-{1 + i // 24:02} {i % 24:02}:01", 1)
                                                  for i in range(65)]), "sessions: 1 to 64"),
        ("session-ends-before-it-begins", sessions({**one, "end_time": one["start_time"]}),
         "end_time: after start_time"),
        ("session-too-long", sessions(session("2026-03-10 09:30", "2026-03-11 09:31", 90)),
         "end_time: at most 24 hours after start_time"),
        ("sessions-overlap", sessions(one, session("2026-03-10 10:59", "2026-03-10 12:00", 60)),
         "sessions: in order, without overlap"),
        ("session-without-end", sessions({"start_time": one["start_time"], "minutes": 90}), "end_time: present"),
        ("session-with-nanoseconds",
         sessions({**one, "end_time": {**one["end_time"], "nanos": 1}}), "times: whole seconds"),
        ("session-before-1950", sessions({"start_time": {"seconds": -631152001}, "end_time": {"seconds": -631151940},
                                          "minutes": 1}), "times: not before 1950-01-01T00:00:00Z"),
        ("no-minutes", sessions({**one, "minutes": 0}), "minutes: at least 1"),
        ("too-many-minutes", sessions({**one, "minutes": 91}), "minutes: at most the length of the session"),
        ("negative-minutes", sessions({**one, "minutes": -1}), "minutes: at least 1"),
        ("achievement-minutes", sessions({**one, "minutes": 100_001}, mode="MODE_ACHIEVEMENT"), "minutes: at most 100,000"),
        ("nothing-held", changed(attendance={"held": 0, "attended": 0}), "held: 1 to 1,000"),
        ("more-late-than-held", changed(attendance={"held": 2, "attended": 1, "late": 2}),
         "attended + late: at most held"),
        ("score-above-100", changed(score=101), "score: 0 to 100"),
        ("score-negative", changed(score=-1), "score: 0 to 100"),
        ("site-with-space", changed(site="room 2"), "site: letters, digits and -_./:"),
        ("site-long", changed(site="a" * 65), "site: at most 64 characters"),
        ("void-id-short", encode("Statement", {**void, "completion_void": {
            "statement_id": bytes(15), "reason": "VOID_REASON_FRAUD"}}), "statement_id: 16 bytes"),
        ("void-reason-unspecified", encode("Statement", {**void, "completion_void": {
            "statement_id": good["id"]}}), "reason: a known value"),
    ]
    return {
        "statements": [{"name": name, "message": to_json("Statement", message), "bytes": STATEMENT_BYTES[name].hex(),
                        "leaf_hash": leaf_hash(STATEMENT_BYTES[name]).hex()} for name, message in STATEMENTS.items()],
        "refused": [{"name": name, "rule": rule, "bytes": b.hex()} for name, b, rule in refused],
    }


# ---------------------------------------------------------------------------------------------------------------------
# Names with a form


def name_vectors():
    def refused(of, *pairs):
        return [{"of": of, "name": name, "text": text} for name, text in pairs]

    n = NUMBER
    return {
        "account_numbers": [n, OTHER_NUMBER, "1000000000000008", "9999999999999995"],
        "organization_codes": [COLLEGE_CODE, PLATFORM_CODE, SCHOOL_CODE],
        "organization_ids": [COLLEGE, PLATFORM, SCHOOL, "ab", "1a", "a" * 63],
        "bank_ids": [BANK, "b", "银行".encode("punycode").decode(), "~" * 255],
        "refused": refused(
            "account number", ("one digit wrong", n[:6] + str((int(n[6]) + 1) % 10) + n[7:]),
            ("two digits swapped", n[:8] + n[9] + n[8] + n[10:]), ("15 digits", n[:15]), ("17 digits", n + "0"),
            ("starts with 0", "0" + n[1:15] + luhn("0" + n[1:15])), ("a letter", n[:15] + "O"),
            ("full-width digit", "６" + n[1:]), ("grouped", n[:4] + " " + n[4:])
        ) + refused(
            "organization code", ("one character wrong", COLLEGE_CODE[:9] + "2" + COLLEGE_CODE[10:]),
            ("two characters swapped", PLATFORM_CODE[:8] + PLATFORM_CODE[9] + PLATFORM_CODE[8] + PLATFORM_CODE[10:]),
            ("17 characters", SCHOOL_CODE[:17]), ("character outside the set", SCHOOL_CODE[:17] + "I")
        ) + refused(
            "organization id", ("one character", "a"), ("64 characters", "a" * 64), ("upper case", "Xihu"),
            ("underscore", "xi_hu"), ("hyphen first", "-xihu"), ("hyphen last", "xihu-"), ("double hyphen", "xi--hu"),
            ("dot", "xihu.college"), ("empty", "")
        ) + refused(
            "bank id", ("empty", ""), ("256 characters", "b" * 256), ("space", "xihu bank"), ("line feed", "xihu\nbank"),
            ("not ascii", "西湖"), ("delete", "xihu\x7f")),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Submissions, registrations, keys


def submission(name, statements, key):
    tree = Tree([leaf_hash(s) for s in statements])
    text = submission_text(PLATFORM, key.id, len(statements), tree.root())
    return {
        "name": name, "organization": PLATFORM, "key_id": key.id.hex(),
        "statements": [s.hex() for s in statements],
        "root": tree.root().hex(), "text": text.decode(), "signature": key.sign(text).hex(),
    }


def thousand_voids():
    moment = micros("2026-06-01 08:00")
    return [encode("Statement", {
        "id": uuid7(moment + i * 1000, f"void {i}"), "salt": derived(f"salt void {i}", 16),
        "completion_void": {"statement_id": uuid7(moment - i * 1000, f"voided {i}"), "reason": "VOID_REASON_POSTED_IN_ERROR"},
    }) for i in range(1000)]


def key_vectors():
    one = [STATEMENT_BYTES["tea-1"]]
    three = [STATEMENT_BYTES[name] for name in ("tea-2", "tea-unknown", "aid-1")]
    thousand = thousand_voids()
    submissions = [
        submission("one", one, PLATFORM_KEY),
        submission("two", three[:2], PLATFORM_KEY),
        submission("three", three, PLATFORM_KEY),
        submission("thousand", thousand, PLATFORM_KEY),
        submission("one-p256", one, PLATFORM_P256),
    ]
    trees = {"three": Tree([leaf_hash(s) for s in three]), "thousand": Tree([leaf_hash(s) for s in thousand])}
    paths = [{"submission": name, "position": i, "path": [h.hex() for h in tree.path(i, len(tree.leaves))]}
             for name, tree in trees.items() for i in ((0, 1, 2) if name == "three" else (0, 511, 512, 999))]

    registrations = [
        {"organization": PLATFORM, "key_id": key.id.hex(), "purpose": purpose,
         "text": registration_text(PLATFORM, key.id, purpose).decode(),
         "proof": key.sign(registration_text(PLATFORM, key.id, purpose)).hex()}
        for key, purpose in ((PLATFORM_KEY, "sign"), (PLATFORM_P256, "sign"), (PLATFORM_TOKEN, "authenticate"))]

    # Mutations.
    root = Tree([leaf_hash(s) for s in three]).root()
    text = submission_text(PLATFORM, PLATFORM_KEY.id, 3, root).decode()
    lines = text.split("\n")

    def line(i, value):
        return "\n".join(lines[:i] + [value] + lines[i + 1:])

    loose = lines[6][:-2] + chr(ord(lines[6][-2]) + 1) + "="  # the same 32 bytes to a lenient reader
    assert base64.b64decode(loose) == root
    texts = [
        ("no-last-line-feed", text[:-1]), ("crlf", text.replace("\n", "\r\n")), ("line-too-many", text + "\n"),
        ("title", line(0, "creditbank/v2 submission")), ("bank-with-space", line(1, "xihu bank")),
        ("organization-upper-case", line(2, "Sanfu-learning")), ("key-id-upper-case", line(3, lines[3].upper())),
        ("key-id-short", line(3, lines[3][:-2])), ("media-type", line(4, "application/protobuf")),
        ("number-zero", line(5, "0")), ("number-1001", line(5, "1001")), ("number-leading-zero", line(5, "03")),
        ("number-plus", line(5, "+3")), ("root-unpadded", line(6, lines[6].rstrip("="))),
        ("root-url-alphabet", line(6, b64(b"\xfb\xff" + root[2:]).replace("+", "-").replace("/", "_"))),
        ("root-loose-bits", line(6, loose)), ("root-short", line(6, b64(root[:31]))),
        ("registration", registration_text(PLATFORM, PLATFORM_KEY.id, "sign").decode()),
    ]

    message = text.encode()
    good = PLATFORM_KEY.sign(message)
    r_half, s_half = good[:32], int.from_bytes(good[32:], "little")
    order = 2**252 + 27742317777372353535851937790883648493
    p256 = submission_text(PLATFORM, PLATFORM_P256.id, 3, root)
    p256_signature = PLATFORM_P256.sign(p256)
    r, s = decode_dss_signature(p256_signature)
    p256_order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

    def wrong(name, key, message, signature, rule):
        return {"name": name, "rule": rule, "key_id": key.id.hex(), "text": message.decode(), "signature": signature.hex()}

    swapped = Tree([leaf_hash(s) for s in (three[1], three[0], three[2])]).root()
    edited = Tree([leaf_hash(s) for s in (flipped(three[0]), three[1], three[2])]).root()
    signatures = [
        wrong("flipped-bit", PLATFORM_KEY, message, flipped(good), "the signature verifies"),
        wrong("truncated", PLATFORM_KEY, message, good[:-1], "64 bytes"),
        wrong("empty", PLATFORM_KEY, message, b"", "64 bytes"),
        wrong("s-not-reduced", PLATFORM_KEY, message, r_half + (s_half + order).to_bytes(32, "little"),
              "RFC 8032, 5.1.7: S is below the order"),
        wrong("another-bank", PLATFORM_KEY, submission_text(PLATFORM, PLATFORM_KEY.id, 3, root, "other.example"), good,
              "the text names this bank"),
        wrong("another-organization", PLATFORM_KEY, submission_text(COLLEGE, PLATFORM_KEY.id, 3, root), good,
              "the text names the signer"),
        wrong("fewer-statements", PLATFORM_KEY, submission_text(PLATFORM, PLATFORM_KEY.id, 2, Tree(
            [leaf_hash(s) for s in three[:2]]).root()), good, "the text counts the statements"),
        wrong("statements-swapped", PLATFORM_KEY, submission_text(PLATFORM, PLATFORM_KEY.id, 3, swapped), good,
              "the root is over the statements in order"),
        wrong("statement-edited", PLATFORM_KEY, submission_text(PLATFORM, PLATFORM_KEY.id, 3, edited), good,
              "the root is over the statements' bytes"),
        wrong("proof-of-possession", PLATFORM_KEY, message,
              PLATFORM_KEY.sign(registration_text(PLATFORM, PLATFORM_KEY.id, "sign")), "the signature is over this text"),
        wrong("another-key", PLATFORM_KEY, message, OTHER_KEY.sign(message), "the signature is the key's"),
        wrong("p256-raw", PLATFORM_P256, p256, r.to_bytes(32, "big") + s.to_bytes(32, "big"),
              "ECDSA signatures are DER"),
        wrong("p256-trailing-byte", PLATFORM_P256, p256, p256_signature + b"\x00", "ECDSA signatures are DER"),
        wrong("p256-flipped-bit", PLATFORM_P256, p256, flipped(p256_signature), "the signature verifies"),
    ]
    proofs = [
        {"name": "wrong-purpose", "rule": "the text names the purpose", "organization": PLATFORM, "purpose": "authenticate",
         "key_id": PLATFORM_KEY.id.hex(), "proof": registrations[0]["proof"]},
        {"name": "wrong-organization", "rule": "the text names the organization", "organization": COLLEGE,
         "purpose": "sign", "key_id": PLATFORM_KEY.id.hex(), "proof": registrations[0]["proof"]},
        {"name": "by-another-key", "rule": "the proof is the key's own", "organization": PLATFORM, "purpose": "sign",
         "key_id": PLATFORM_KEY.id.hex(),
         "proof": OTHER_KEY.sign(registration_text(PLATFORM, PLATFORM_KEY.id, "sign")).hex()},
    ]

    ed25519_prefix = PLATFORM_KEY.spki[:12]
    compressed = PLATFORM_P256.key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    p256_prefix = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    p384 = ec.derive_private_key(7, ec.SECP384R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public_keys = [
        ("trailing-byte", "ed25519", PLATFORM_KEY.spki + b"\x00", "nothing follows the DER"),
        ("another-algorithm", "ecdsa-p256-sha256", PLATFORM_KEY.spki, "the key is of the registered algorithm"),
        ("identity-point", "ed25519", ed25519_prefix + b"\x01" + bytes(31), "not of small order"),
        ("point-of-order-4", "ed25519", ed25519_prefix + bytes(32), "not of small order"),
        ("y-above-p", "ed25519", ed25519_prefix + b"\xf0" + b"\xff" * 30 + b"\x7f", "y is below 2^255 - 19"),
        ("off-the-curve", "ed25519", ed25519_prefix + b"\x02" + bytes(31), "a point of the curve"),
        ("compressed-point", "ecdsa-p256-sha256", p256_prefix + compressed, "an uncompressed point"),
        ("point-off-the-curve", "ecdsa-p256-sha256", flipped(PLATFORM_P256.spki), "a point of the curve"),
        ("p-384", "ecdsa-p256-sha256", p384, "on P-256"),
        ("sm2", "sm2-sm3", PLATFORM_P256.spki, "an algorithm in use"),
    ]
    return {
        "bank_id": BANK,
        "keys": [{"name": name, "algorithm": key.algorithm, "private": key.private.hex(), "spki": key.spki.hex(),
                  "key_id": key.id.hex()} for name, key in (
            ("platform-sign", PLATFORM_KEY), ("platform-sign-p256", PLATFORM_P256),
            ("platform-authenticate", PLATFORM_TOKEN), ("somebody-else", OTHER_KEY))],
        "submissions": submissions,
        "paths": paths,
        "registrations": registrations,
        "also_valid": [wrong("p256-other-half", PLATFORM_P256, p256, encode_dss_signature(r, p256_order - s),
                             "ECDSA: (r, n - s) verifies as well, so signature bytes are never an identity")],
        "refused": {
            "texts": [{"name": name, "text": t} for name, t in texts],
            "signatures": signatures,
            "proofs": proofs,
            "public_keys": [{"name": name, "rule": rule, "algorithm": algorithm, "spki": spki.hex()}
                            for name, algorithm, spki, rule in public_keys],
        },
    }


# ---------------------------------------------------------------------------------------------------------------------
# Sealed payloads


def seal_data(account, fact, statement_id, bank=BANK):
    return f"creditbank/v1 seal\n{bank}\n{account.hex()}\n{fact}\n{(statement_id or bytes(16)).hex()}\n".encode()


SEALED = []


def seal(fact, kind, message, statement_id=None, account=None):
    """Seals a message for the account of the log, or for another one."""
    account, key = account or ACCOUNT, derived("key of the former account") if account else ACCOUNT_KEY
    plain = encode(kind, message)
    data = seal_data(account, fact, statement_id)
    nonce = derived(f"nonce {len(SEALED)}", 12)
    sealed = nonce + AESGCM(key).encrypt(nonce, plain, data)
    SEALED.append({"fact": fact, "type": kind, "message": to_json(kind, message), "account": account.hex(),
                   "statement_id": (statement_id or bytes(16)).hex(), "key": key.hex(), "nonce": nonce.hex(),
                   "additional_data": data.decode(), "plain": plain.hex(), "sealed": sealed.hex()})
    return sealed


def sealed_vectors():
    first = SEALED[0]
    sealed = bytes.fromhex(first["sealed"])
    id_ = bytes.fromhex(first["statement_id"])

    def case(name, rule, key=ACCOUNT_KEY, data=None, payload=sealed):
        data = seal_data(ACCOUNT, first["fact"], id_) if data is None else data
        return {"name": name, "rule": rule, "key": key.hex(), "additional_data": data.decode(), "sealed": payload.hex()}

    return {
        "sealed": SEALED,
        "refused": [
            case("flipped-tag", "the tag verifies", payload=flipped(sealed)),
            case("flipped-nonce", "the tag verifies", payload=flipped(sealed, 0)),
            case("flipped-ciphertext", "the tag verifies", payload=flipped(sealed, 12)),
            case("truncated", "the tag is whole", payload=sealed[:-1]),
            case("shorter-than-nonce-and-tag", "at least 28 bytes", payload=sealed[:27]),
            case("key-of-another-account", "the account's key", key=OTHER_ACCOUNT_KEY),
            case("another-bank", "the additional data name the bank",
                 data=seal_data(ACCOUNT, first["fact"], id_, "other.example")),
            case("another-account", "the additional data name the account",
                 data=seal_data(OTHER_ACCOUNT, first["fact"], id_)),
            case("another-fact", "the additional data name the fact", data=seal_data(ACCOUNT, "CompletionVoided", id_)),
            case("another-statement", "the additional data name the statement",
                 data=seal_data(ACCOUNT, first["fact"], None)),
            case("no-last-line-feed", "every line ends in LF", data=seal_data(ACCOUNT, first["fact"], id_)[:-1]),
        ],
    }


# ---------------------------------------------------------------------------------------------------------------------
# The log: a short history with every fact in it, then accounts until a tile is full and four entries more.

POLICY = """\
id: xihu
version: 2026-1
organization: xihu-college
title: {zh: 西湖区学分银行转换规则, en: Credit rules of Xihu district}
effective_from: "2026-01-01"
time_zone: Asia/Shanghai
learning_hour_minutes: 45
categories:
  - {id: humanities, name: {zh: 人文艺术, en: Humanities and arts}}
  - {id: skills, name: {zh: 职业技能, en: Vocational skills}, professional: true, transferable: true}
duplicates: {id: best-score, keep: KEEP_BEST_SCORE}
conversion:
  - {id: class, minutes_per_credit: 720}
caps:
  - {id: half-year, period: PERIOD_HALF_YEAR, milli_credits: 200}
rounding:
  - {id: tenth, step_milli_credits: 100, direction: DIRECTION_DOWN, remainder: REMAINDER_CARRY}
review:
  - {id: late, when: days_late > 90, risk: 3}
validity:
  - {id: life}
points:
  - {id: hour, minutes_per_point: 60, step_milli_points: 100, lapse: LAPSE_YEAR_END}
""".encode()
POLICY_HASH = sha256(POLICY)

LOG = []  # (fact, entry)


def append(moment, field, **fact):
    index = len(LOG)
    fact_name = dict((f[1], f[2]) for f in fields("Entry"))[field]
    entry = {"index": index, "time": moment, "salt": derived(f"entry salt {index}", 16), field: fact}
    LOG.append((fact_name, entry))
    return index


def actor(officer=None, organization=COLLEGE, key=None):
    out = {"organization": organization}
    if officer:
        out["officer"] = officer
    if key:
        out["key_id"] = key.id
    return out


def request(method, moment):
    label = f"{method} {len(LOG)}"
    return {"method": method, "request_id": uuid7(moment, label), "hash": derived("request " + label)}


def call(method, moment, officer="officer-1"):
    return {"actor": actor(officer), "request": request(method, moment)}


def single(name, key=PLATFORM_KEY):
    b = STATEMENT_BYTES[name]
    text = submission_text(PLATFORM, key.id, 1, leaf_hash(b))
    return {"organization": PLATFORM, "statement_id": STATEMENTS[name]["id"], "statement_hash": leaf_hash(b),
            "key_id": key.id, "signature": key.sign(text)}


def part(name, submission_index, position):
    return {"organization": PLATFORM, "statement_id": STATEMENTS[name]["id"],
            "statement_hash": leaf_hash(STATEMENT_BYTES[name]), "submission": submission_index, "position": position}


def clawback_digest(chosen, totals):
    """What stands for a selection and its totals: FORMAT.md, "Clawbacks"."""
    def line(message, m):
        return " ".join(str(m.get(field, 0)) for _, field, *_ in fields(message)) + "\n"
    return sha256(("creditbank/v1 clawback\n" + line("ClawbackSelection", chosen) + line("ClawbackTotals", totals)).encode())


def points(milli_points):
    # Those of 2026 lapse with the last day of the year.
    return [{"lapses_day": days("2027-01-01"), "milli_points": milli_points}]


def session_times(name):
    out = []
    for s in STATEMENTS[name]["completion"]["sessions"]:
        start, end = s["start_time"]["seconds"], s["end_time"]["seconds"]
        out.append({"day": (start + 8 * 3600) // 86400, "start": start // 60, "length": -(-(end - start) // 60)})
    return out


def sealed_completion(name, moment, *reasons):
    return seal("CompletionRecorded", "SealedCompletion", {
        "statement": STATEMENT_BYTES[name], "reasons": [dict(zip(("stage", "rule", "before", "after", "limit", "carried"), r))
                                                        for r in reasons], "posted_at": moment}, STATEMENTS[name]["id"])


OPENING_SOURCE = "xihu-2019"


def opening_row(record, **more):
    return encode("OpeningBalanceRow", {
        "action": "ROW_ACTION_REVERSE", "account_number": NUMBER, "source_record": record, **more})


def opening_import(t, *rows, totals=(), reversals=0):
    """Two officers propose and confirm an import; the origins of its rows come back."""
    file_hash, root = derived(f"file {len(LOG)}"), Tree([leaf_hash(row) for row in rows]).root()
    proposed = append(t, "opening_balances_proposed", **call("ProposeOpeningBalances", t), organization=COLLEGE,
                      source=OPENING_SOURCE, file_hash=file_hash, rows=len(rows), reversals=reversals, part_roots=root,
                      totals=list(totals))
    append(t, "opening_balances_confirmed", **call("ConfirmOpeningBalances", t, "officer-2"),
           **{"import": proposed, "file_hash": file_hash})
    return [{"import": proposed, "position": i, "source_id": source_id(row), "row_digest": derived(f"digest of {row.hex()}")}
            for i, row in enumerate(rows)]


def source_id(row):
    """Stands for the keyed hash of a record, whose key is the bank's own: 16 bytes in the form of a UUID of version 8."""
    b = bytearray(derived(f"record of {row.hex()}", 16))
    b[6] = b[6] & 0x0F | 0x80
    b[8] = b[8] & 0x3F | 0x80
    return bytes(b)


def sealed_opening(fact, row):
    return seal(fact, "SealedOpeningBalance", {"row": row}, source_id(row))


AGREEMENT = """id: open-university
version: "1"
institution: open-university
title: {zh: 学分互认协议, en: Recognition agreement}
effective_from: "2026-07-15"
time_zone: Asia/Shanghai
programmes: [{code: law, name: {zh: 法学, en: Law}, milli_credits: 70000, degree: true}]
sources: [{id: district, within: [xihu-college]}]
ratios: [{id: half, numerator: 1, denominator: 2}]
rounding: {id: tenths, step_milli_credits: 100, remainder: REMAINDER_KEEP}
use: USE_CONSUMED
quote_days: 14
hold_days: 30
""".encode()
NEXT_AGREEMENT = AGREEMENT.replace(b'version: "1"', b'version: "2"').replace(b"2026-07-15", b"2027-01-01")


def published(t, yaml, version, first, last=0):
    """An agreement that the university signs and publishes."""
    digest = sha256(yaml)
    return append(t, "agreement_published", actor=actor(organization=UNIVERSITY, key=UNIVERSITY_KEY),
                  request=request("PublishAgreement", t), agreement_hash=digest, yaml=yaml, institution=UNIVERSITY,
                  agreement="open-university", version=version, effective_from_day=days(first),
                  effective_until_day=last, key_id=UNIVERSITY_KEY.id,
                  signature=UNIVERSITY_KEY.sign(agreement_text(UNIVERSITY, UNIVERSITY_KEY.id, digest)))


def append_transfers(opening, earned, claim, claim_ref):
    """The university is asked to take credits over: it takes some, it declines, it lets a hold lapse. Another one is
    undone when what it stands on is taken back, and the university is told that what it took of that is gone."""
    t = micros("2026-07-17 09:00")
    agreed = next(i for i in range(len(LOG)) if LOG[i][0] == "AgreementPublished")
    award = next(i for i in reversed(range(len(LOG))) if LOG[i][0] == "CreditsAwarded")

    def item(entry, ref, credits, **more):
        return {"entry": entry, "completion": ref, "milli_credits": credits, "granted": credits // 2, "category": "skills", **more}

    of_opening = functools.partial(item, opening, {"index": opening, "end_day": earned})
    of_claim = functools.partial(item, award, claim_ref)

    def moved(items, available=1, reserved=0, transferred=0, expired=0):
        return {"lot_changes": [
            {"entry": i["entry"], "available": available * i["milli_credits"], "reserved": reserved * i["milli_credits"],
             "transferred": transferred * i["milli_credits"], "expired": expired * i["milli_credits"], "completion": i["completion"]}
            for i in items if not i.get("recognised")]}

    def place(who, *items):
        return append(t, "hold_placed", **who, account=ACCOUNT, institution=UNIVERSITY, programme="elder-care", agreement=agreed,
                      quote_digest=derived(f"quote {len(LOG)}"), items=list(items), effects=moved(items, -1, 1),
                      deadline=t + 14 * 86_400_000_000, sealed=seal("HoldPlaced", "SealedTransfer", {"items": [
                          {"reasons": [{"stage": "TRANSFER_STAGE_RATIO", "rule": "half", "before": i["milli_credits"],
                                        "after": i["granted"]}]} for i in items]}, who["request"]["request_id"]))

    def university(method):
        return {"actor": actor(organization=UNIVERSITY, key=UNIVERSITY_KEY), "request": request(method, t)}

    def resident(method):
        return {"actor": {"resident": True}, "request": request(method, t)}

    def says(fact, hold, **words):
        placed = LOG[hold][1]["hold_placed"]["request"]["request_id"]
        return {"hold": hold, "account": ACCOUNT, "sealed": seal(fact, "SealedDecision", words, placed)}

    first = of_opening(600, counts=[{"key": "elder-care/share", "milli_credits": 300}]), of_claim(700, recognised=True, course="NUR-101")
    taken = place(resident("RequestTransfer"), *first)
    declined = place(university("RequestTransfer"), of_opening(300))
    t += 3_600_000_000
    change = moved(first)["lot_changes"][0]
    change.update(available=200, reserved=-600, transferred=400)
    append(t, "hold_posted", **university("AcceptTransfer"), **says("HoldPosted", taken, note="欢迎"),
           taken=[{"milli_credits": 400, "granted": 200}, {"milli_credits": 700, "granted": 350}], effects={"lot_changes": [change]})
    append(t, "hold_voided", **university("DeclineTransfer"), **says("HoldVoided", declined, reason_code="PROGRAMME_FULL"),
           cause="HOLD_VOID_DECLINED", effects=moved([of_opening(300)], 1, -1))
    lapsing, spent = place(resident("RequestTransfer"), of_opening(100)), place(resident("RequestTransfer"), of_opening(200))
    undone = place(resident("RequestTransfer"), of_claim(250))
    append(t, "hold_posted", **university("AcceptTransfer"), **says("HoldPosted", spent), taken=[{"milli_credits": 200, "granted": 100}],
           effects=moved([of_opening(200)], 0, -1, 1))
    t += 15 * 86_400_000_000
    append(t, "hold_expired", hold=lapsing, account=ACCOUNT, effects=moved([of_opening(100)], 0, -1, 0, 1))
    append(t, "hold_voided", hold=undone, account=ACCOUNT, cause="HOLD_VOID_REVERSED", completion=claim_ref,
           effects=moved([of_claim(250)], 1, -1))
    append(t, "case_step_taken", **call("RevokeCase", t, "officer-1"), case=claim, completion=claim_ref, account=ACCOUNT,
           step="CASE_STEP_REVOKED", state="CASE_STATUS_REVOKED", outcome="OUTCOME_REFUSED",
           effects={"hours": [{"year": 2021, "category": "skills", "minutes": -720}],
                    "lot_changes": [{"entry": award, "available": -1000, "reversed": 1000, "completion": claim_ref}]},
           sealed=seal("CaseStepTaken", "SealedDecision", {"reason_code": "EVIDENCE_FORGED"},
                       LOG[claim][1]["claim_filed"]["request"]["request_id"]),
           deadline=micros("2026-08-29 00:00"))
    return t


def build_log():
    t = micros("2026-03-02 09:00")
    append(t, "bank_founded", bank_id=BANK, origin=ORIGIN, format=2)
    append(t, "organization_registered", organization=COLLEGE, name="西湖区社区学院", code=COLLEGE_CODE,
           level="ORGANIZATION_LEVEL_DISTRICT", roles=["ROLE_PROVIDER", "ROLE_CERTIFIER"], trust_tier=5)
    append(t, "officer_appointed", officer="officer-1", organization=COLLEGE,
           roles=["OFFICER_ROLE_ADMINISTRATOR", "OFFICER_ROLE_CERTIFICATION", "OFFICER_ROLE_REGISTRAR"])
    t += 60_000_001
    append(t, "organization_registered", **call("RegisterOrganization", t), organization=PLATFORM, name="三福在线学习",
           code=PLATFORM_CODE, roles=["ROLE_PLATFORM"], trust_tier=2)
    t += 60_000_000
    append(t, "key_added", **call("AddKey", t), organization=PLATFORM, key_id=PLATFORM_KEY.id, public_key=PLATFORM_KEY.spki,
           algorithm=PLATFORM_KEY.enum, purpose="KEY_PURPOSE_SIGN",
           proof=PLATFORM_KEY.sign(registration_text(PLATFORM, PLATFORM_KEY.id, "sign")))
    # The small log ends here, with five entries.
    append(t, "key_added", **call("AddKey", t), organization=PLATFORM, key_id=PLATFORM_TOKEN.id,
           public_key=PLATFORM_TOKEN.spki, algorithm=PLATFORM_TOKEN.enum, purpose="KEY_PURPOSE_AUTHENTICATE",
           proof=PLATFORM_TOKEN.sign(registration_text(PLATFORM, PLATFORM_TOKEN.id, "authenticate")))
    append(t, "key_added", **call("AddKey", t), organization=PLATFORM, key_id=PLATFORM_P256.id,
           public_key=PLATFORM_P256.spki, algorithm=PLATFORM_P256.enum, purpose="KEY_PURPOSE_SIGN",
           valid_from=micros("2026-03-01 00:00"), valid_until=micros("2027-03-01 00:00"),
           proof=PLATFORM_P256.sign(registration_text(PLATFORM, PLATFORM_P256.id, "sign")))
    append(t, "organization_registered", **call("RegisterOrganization", t), organization=SCHOOL, name="翠苑街道社区学校",
           code=SCHOOL_CODE, level="ORGANIZATION_LEVEL_TOWN", parent=COLLEGE, roles=["ROLE_PROVIDER"], trust_tier=4)
    append(t, "officer_appointed", **call("AppointOfficer", t), officer="officer-2", organization=COLLEGE,
           roles=["OFFICER_ROLE_CERTIFICATION"])
    append(t, "officer_appointed", **call("AppointOfficer", t), officer="officer-3", organization=SCHOOL,
           roles=["OFFICER_ROLE_REGISTRAR"])
    t += 60_000_000
    append(t, "officer_removed", **call("RemoveOfficer", t), officer="officer-3", reason="moved to another school")
    proposed = append(t, "policy_proposed", **call("ProposePolicy", t), policy_hash=POLICY_HASH, yaml=POLICY,
                      organization=COLLEGE, policy="xihu", version="2026-1", effective_from_day=days("2026-01-01"))
    append(t, "policy_published", **call("PublishPolicy", t, "officer-2"), policy_hash=POLICY_HASH, proposed_index=proposed)
    tea = append(t, "course_proposed", **call("ProposeCourse", t), provider=COLLEGE, code="tea-101", version="2026",
                 title="茶艺入门", category="humanities", nominal_minutes=720, valid_from_day=days("2026-01-01"), capacity=30)
    aid = append(t, "course_proposed", **call("ProposeCourse", t), provider=COLLEGE, code="aid-1", version="2026",
                 title="急救", category="skills", level=2, nominal_minutes=360, equivalence_group="first-aid",
                 valid_from_day=days("2026-01-01"), valid_until_day=days("2028-12-31"))
    for course in (tea, aid):
        append(t, "course_decided", **call("DecideCourse", t, "officer-2"), course=course,
               decision="COURSE_DECISION_ACCREDITED", reason="fits the plan of 2026")
    append(t, "account_opened", **call("OpenAccount", t), account=ACCOUNT, home=SCHOOL, status="ACCOUNT_STATUS_VERIFIED")

    # 90 minutes of tea: a tenth of a credit is 72, and 18 are left. An hour and a half are a point and a half.
    t = micros("2026-03-10 11:06")
    h1 = "half-year/2026-H1"
    tea_day = days("2026-03-10")
    tea_1 = append(
        t, "completion_recorded", origin=single("tea-1"), account=ACCOUNT, course=tea, category="humanities",
        outcome="OUTCOME_AWARDED", policy_hash=POLICY_HASH, minutes=90, end_day=tea_day,
        effects={"hours": [{"year": 2026, "category": "humanities", "minutes": 90}],
                 "lots": [{"category": "humanities", "available": 100, "caps": [h1]}],
                 "usage": [{"key": h1, "milli_credits": 100}], "remainder": 18, "points": points(1500),
                 "days": [{"day": tea_day, "rule": "daily", "minutes": 90}], "sessions": session_times("tea-1")},
        sealed=sealed_completion("tea-1", t - 1500, ("STAGE_HOURS", "daily", 90, 90, 180),
                                 ("STAGE_CONVERSION", "class", 90, 125), ("STAGE_ROUNDING", "tenth", 125, 100),
                                 ("STAGE_POINTS", "hour", 90, 1500, 60)))

    # Three statements under one signature. The second names an unknown course and is rejected: it leaves no entry.
    t = micros("2026-03-17 12:01")
    names = ("tea-2", "tea-unknown", "aid-1")
    leaves = [leaf_hash(STATEMENT_BYTES[name]) for name in names]
    text = submission_text(PLATFORM, PLATFORM_P256.id, 3, Tree(leaves).root())
    received = append(t, "submission_received", organization=PLATFORM, key_id=PLATFORM_P256.id,
                      signature=PLATFORM_P256.sign(text), statement_hashes=b"".join(leaves))
    # 126 + 18 minutes make 200, of which the cap of 200 leaves room for 100.
    tea_2_day = days("2026-03-17")
    tea_2 = append(
        t, "completion_recorded", origin=part("tea-2", received, 0), account=ACCOUNT, course=tea, category="humanities",
        outcome="OUTCOME_AWARDED", policy_hash=POLICY_HASH, minutes=126, end_day=tea_2_day,
        effects={"hours": [{"year": 2026, "category": "humanities", "minutes": 126}],
                 "lots": [{"category": "humanities", "available": 100, "pending": 100, "caps": [h1],
                           "expires_day": days("2026-06-30")}],
                 "usage": [{"key": h1, "milli_credits": 100}], "remainder": -18, "points": points(2100),
                 "days": [{"day": tea_2_day, "rule": "daily", "minutes": 126}], "sessions": session_times("tea-2")},
        sealed=sealed_completion("tea-2", t - 900, ("STAGE_CONVERSION", "class", 126, 200, 0, 18),
                                 ("STAGE_CAPS", "half-year", 200, 100, 200)))
    # First aid goes to an officer: nothing counts yet, but the time is taken.
    aid_day = days("2026-03-15")
    aid_1 = append(
        t, "completion_recorded", origin=part("aid-1", received, 2), account=ACCOUNT, course=aid, category="skills",
        outcome="OUTCOME_IN_REVIEW", policy_hash=POLICY_HASH, minutes=360, end_day=aid_day, causes=["late"], risk=3,
        effects={"sessions": session_times("aid-1")},
        sealed=sealed_completion("aid-1", t - 900, ("STAGE_REVIEW", "late", 500, 500)))
    t = micros("2026-03-20 15:00")
    aid_ref = {"index": aid_1, "end_day": aid_day}
    append(t, "credits_awarded", **call("DecideCase", t, "officer-2"), case=aid_1, completion=aid_ref, account=ACCOUNT,
           outcome="OUTCOME_AWARDED",
           effects={"hours": [{"year": 2026, "category": "skills", "minutes": 360}],
                    "lots": [{"category": "skills", "level": 2, "available": 400, "expires_day": days("2029-03-15")},
                             {"category": "skills", "level": 2, "available": 100}],
                    "points": points(6000),
                    "group": {"group": "first-aid", "completion": aid_ref}},
           sealed=seal("CreditsAwarded", "SealedDecision", {
               "reason_code": "EVIDENCE_CHECKED", "note": "已核对证书",
               "reasons": [{"stage": "STAGE_DECISION", "rule": "APPROVED", "before": 0, "after": 500}]},
               STATEMENTS["aid-1"]["id"]))

    # A better score takes the place of the first.
    t = micros("2026-04-02 20:01")
    aid_2_day = days("2026-04-02")
    aid_2 = append(
        t, "completion_recorded", origin=single("aid-2", PLATFORM_P256), account=ACCOUNT, course=aid, category="skills",
        outcome="OUTCOME_AWARDED", policy_hash=POLICY_HASH, minutes=299, end_day=aid_2_day,
        effects={"hours": [{"year": 2026, "category": "skills", "minutes": 299}],
                 "lots": [{"category": "skills", "level": 2, "available": 400, "expires_day": days("2029-03-15")}],
                 "lot_changes": [
                     {"entry": aid_1 + 1, "position": 0, "available": -400, "reversed": 400, "completion": aid_ref},
                     {"entry": aid_1 + 1, "position": 1, "available": -100, "reversed": 100, "completion": aid_ref}],
                 "remainder": 11, "points": points(4900), "sessions": session_times("aid-2"),
                 "group": {"group": "first-aid", "completion": {"index": len(LOG), "end_day": aid_2_day}},
                 "replaces": {"completion": aid_ref, "hours": [{"year": 2026, "category": "skills", "minutes": -360}],
                              "points": points(-6000)}},
        sealed=sealed_completion("aid-2", t - 700, ("STAGE_DUPLICATES", "best-score", 299, 299)))

    # The platform takes its first statement back. What the second completion was judged by has changed: an officer looks.
    t = micros("2026-04-03 09:01")
    tea_ref, tea_2_ref = {"index": tea_1, "end_day": tea_day}, {"index": tea_2, "end_day": tea_2_day}
    append(t, "completion_voided", origin=single("tea-1-void"), account=ACCOUNT, completion=tea_ref,
           effects={"hours": [{"year": 2026, "category": "humanities", "minutes": -90}],
                    "lot_changes": [{"entry": tea_1, "available": -100, "reversed": 100, "completion": tea_ref}],
                    "usage": [{"key": h1, "milli_credits": -100}], "points": points(-1500),
                    "days": [{"day": tea_day, "rule": "daily", "minutes": -90}],
                    "sessions_removed": session_times("tea-1")},
           sealed=seal("CompletionVoided", "SealedVoid", {"statement": STATEMENT_BYTES["tea-1-void"]},
                       STATEMENTS["tea-1-void"]["id"]))
    append(t, "credits_released", account=ACCOUNT, effects={
        "lot_changes": [{"entry": tea_2, "pending": -100, "available": 100, "completion": tea_2_ref}],
        "usage": [{"key": h1, "milli_credits": 100}]})
    case = append(t, "case_opened", account=ACCOUNT, completion=tea_2_ref, causes=["VOID_CHANGED_STANDING"], risk=2)
    t = micros("2026-07-01 00:05")
    append(t, "credits_expired", account=ACCOUNT, effects={
        "lot_changes": [{"entry": tea_2, "available": -200, "expired": 200, "completion": tea_2_ref}]})
    t = micros("2026-07-02 10:00")
    append(t, "case_step_taken", **call("DecideCase", t, "officer-2"), case=case, completion=tea_2_ref, account=ACCOUNT,
           step="CASE_STEP_HOURS_ONLY", outcome="OUTCOME_NO_CREDIT", effects={"usage": [{"key": h1, "milli_credits": -200}]},
           sealed=seal("CaseStepTaken", "SealedDecision", {"reason_code": "HOURS_ONLY"}, STATEMENTS["tea-2"]["id"]),
           state="CASE_STATUS_REJECTED", deadline=micros("2026-08-02 00:00"))
    # The learner appeals. An officer takes the case, and would give the hours back; nobody objects in time.
    t = micros("2026-07-03 08:00")
    hours = {"year": 2026, "category": "humanities"}
    append(t, "case_step_taken", actor={"resident": True},
           request={"method": "FileAppeal", "request_id": derived("appeal", 16), "hash": derived("appeal hash", 32)}, case=case,
           completion=tea_2_ref, account=ACCOUNT, step="CASE_STEP_APPEALED", outcome="OUTCOME_IN_REVIEW",
           effects={"hours": [{**hours, "minutes": -126}]},
           sealed=seal("CaseStepTaken", "SealedDecision", {"note": "我有签到表"}, STATEMENTS["tea-2"]["id"]),
           state="CASE_STATUS_APPEALED", due=micros("2026-07-07 00:00"))
    append(t, "case_step_taken", **call("TakeCase", t, "officer-1"), case=case, completion=tea_2_ref, account=ACCOUNT,
           step="CASE_STEP_TAKEN", state="CASE_STATUS_APPEALED", due=micros("2026-07-07 00:00"),
           lease_until=micros("2026-07-04 08:00"))
    append(t, "case_step_taken", **call("DecideCase", t, "officer-1"), case=case, completion=tea_2_ref, account=ACCOUNT,
           step="CASE_STEP_PUBLISHED", state="CASE_STATUS_PUBLIC_NOTICE", deadline=micros("2026-07-09 00:00"),
           sealed=seal("CaseStepTaken", "SealedDecision", {"reason_code": "EVIDENCE_SUFFICIENT"}, STATEMENTS["tea-2"]["id"]))
    t = micros("2026-07-09 00:00")
    append(t, "credits_awarded", case=case, completion=tea_2_ref, account=ACCOUNT, outcome="OUTCOME_AWARDED",
           effects={"hours": [{**hours, "minutes": 126}]},
           sealed=seal("CreditsAwarded", "SealedDecision", {}, STATEMENTS["tea-2"]["id"]))
    # And another case on it, which waits for more evidence for ever.
    again = append(t, "case_opened", account=ACCOUNT, completion=tea_2_ref, causes=["KEY_COMPROMISED"], risk=5,
                   due=micros("2026-07-12 00:00"))
    append(t, "case_step_taken", **call("ReturnCase", t, "officer-2"), case=again, completion=tea_2_ref, account=ACCOUNT,
           step="CASE_STEP_RETURNED", state="CASE_STATUS_RETURNED", deadline=micros("2026-08-09 00:00"),
           sealed=seal("CaseStepTaken", "SealedDecision", {"reason_code": "EVIDENCE_MISSING"}, STATEMENTS["tea-2"]["id"]))
    append(t, "key_revoked", **call("RevokeKey", t), key_id=PLATFORM_P256.id,
           compromised_since=micros("2026-07-01 00:00"), reason="the server was stolen")
    append(t, "course_decided", **call("DecideCourse", t, "officer-2"), course=tea, decision="COURSE_DECISION_RETIRED",
           last_day=days("2026-12-31"), reason="replaced by the edition of 2027")

    # What the learner had earned before the bank: of three rows one names an unknown account and is rejected. Later one is
    # taken back.
    t = micros("2026-07-10 09:00")
    rows = (
        opening_row("1", action="ROW_ACTION_RECORD", category="humanities", minutes=450, milli_credits=600,
                    earned_on="2019-05-04", title="书法班"),
        opening_row("2", action="ROW_ACTION_RECORD", account_number=OTHER_NUMBER, category="skills", minutes=45,
                    earned_on="2018-01-01"),
        opening_row("3", action="ROW_ACTION_RECORD", category="skills", milli_credits=1500, earned_on="1969-12-31",
                    expires_on="2030-01-01"),
    )
    origins = opening_import(t, *rows, totals=[{"category": "humanities", "minutes": 450, "milli_credits": 600},
                                               {"category": "skills", "minutes": 45, "milli_credits": 1500}])
    earned = days("2019-05-04")
    opening = append(
        t, "opening_balance_recorded", actor=actor("officer-2"), origin=origins[0], account=ACCOUNT, source=OPENING_SOURCE,
        category="humanities", earned_day=earned,
        effects={"hours": [{"year": 2019, "category": "humanities", "minutes": 450}],
                 "lots": [{"category": "humanities", "available": 600}]},
        sealed=sealed_opening("OpeningBalanceRecorded", rows[0]))
    append(
        t, "opening_balance_recorded", actor=actor("officer-2"), origin=origins[2], account=ACCOUNT, source=OPENING_SOURCE,
        category="skills", earned_day=days("1969-12-31"),
        effects={"lots": [{"category": "skills", "available": 1500, "expires_day": days("2030-01-01")}]},
        sealed=sealed_opening("OpeningBalanceRecorded", rows[2]))
    t = micros("2026-07-11 09:00")
    back = opening_row("1")
    (origin,) = opening_import(t, back, reversals=1)
    append(
        t, "opening_balance_reversed", actor=actor("officer-1"), origin=origin, account=ACCOUNT,
        balance={"index": opening, "end_day": earned},
        effects={"hours": [{"year": 2019, "category": "humanities", "minutes": -450}],
                 "lot_changes": [{"entry": opening, "available": -600, "reversed": 600,
                                  "completion": {"index": opening, "end_day": earned}}]},
        sealed=sealed_opening("OpeningBalanceReversed", back))
    # What the learner knows from elsewhere: an officer of the school files it for them, and another one grants half of it.
    t = micros("2026-07-12 09:00")
    filing = request("SubmitClaim", t)
    claimed = seal("ClaimFiled", "SealedClaim", {
        "kind": "CLAIM_KIND_CERTIFICATE", "title": "茶艺师（四级）", "issuer": "浙江省职业技能鉴定中心", "begin_day": days("2021-03-01"),
        "claimed": {"minutes": 1440, "milli_credits": 2000},
        "evidence": [{"id": derived("evidence", 32), "size": 81920, "media_type": "application/pdf", "name": "证书.pdf"}],
    }, filing["request_id"])
    claim_day = days("2021-06-30")
    claim = append(t, "claim_filed", actor=actor("officer-3", SCHOOL), request=filing, account=ACCOUNT, organization=SCHOOL,
                   category="skills", end_day=claim_day, policy_hash=POLICY_HASH, causes=["certificate"], risk=3,
                   due=micros("2026-07-22 00:00"), sealed=claimed)
    claim_ref = {"index": claim, "end_day": claim_day}
    t = micros("2026-07-13 09:00")
    append(t, "credits_awarded", **call("DecideCase", t, "officer-2"), case=claim, completion=claim_ref, account=ACCOUNT,
           outcome="OUTCOME_AWARDED",
           effects={"hours": [{"year": 2021, "category": "skills", "minutes": 720}],
                    "lots": [{"category": "skills", "available": 1000}]},
           sealed=seal("CreditsAwarded", "SealedDecision", {
               "reason_code": "EVIDENCE_SUFFICIENT", "grant": {"minutes": 720, "milli_credits": 1000}}, filing["request_id"]))
    filing = request("SubmitClaim", t)
    append(t, "claim_filed", actor={"resident": True}, request=filing, account=ACCOUNT, organization=SCHOOL, category="humanities",
           end_day=days("2026-07-01"), policy_hash=POLICY_HASH, causes=["volunteering"], risk=1,
           sealed=seal("ClaimFiled", "SealedClaim", {
               "kind": "CLAIM_KIND_VOLUNTEERING", "title": "社区书法课助教", "issuer": "翠苑街道", "description": "每周六",
               "claimed": {"minutes": 900}, "evidence": [{"id": derived("photo", 32), "size": 3, "media_type": "image/png",
                                                         "name": "a.png"}]}, filing["request_id"]))
    # The learner had another account, too: a first merge is undone, a second one stays.
    t = micros("2026-07-14 09:00")
    append(t, "account_opened", **call("OpenAccount", t), account=FORMER_ACCOUNT, home=SCHOOL, status="ACCOUNT_STATUS_VERIFIED")
    row = opening_row("9", action="ROW_ACTION_RECORD", category="skills", minutes=90, milli_credits=300, earned_on="2020-02-03")
    (origin,) = opening_import(t, row, totals=[{"category": "skills", "minutes": 90, "milli_credits": 300}])
    earned = days("2020-02-03")
    former = append(
        t, "opening_balance_recorded", actor=actor("officer-2"), origin=origin, account=FORMER_ACCOUNT, source=OPENING_SOURCE,
        category="skills", earned_day=earned,
        effects={"hours": [{"year": 2020, "category": "skills", "minutes": 90}], "lots": [{"category": "skills", "available": 300}]},
        sealed=seal("OpeningBalanceRecorded", "SealedOpeningBalance", {"row": row}, source_id(row), FORMER_ACCOUNT))
    filing = request("SubmitClaim", t)
    work_day = days("2026-05-31")
    work = append(t, "claim_filed", actor={"resident": True}, request=filing, account=FORMER_ACCOUNT, organization=SCHOOL,
                  category="skills", end_day=work_day, policy_hash=POLICY_HASH, causes=["work"], risk=2,
                  sealed=seal("ClaimFiled", "SealedClaim", {
                      "kind": "CLAIM_KIND_WORK", "title": "茶馆工作", "issuer": "湖畔居", "claimed": {"minutes": 600},
                      "evidence": [{"id": derived("contract", 32), "size": 4, "media_type": "image/png", "name": "b.png"}]},
                      filing["request_id"], FORMER_ACCOUNT))
    append(t, "case_step_taken", **call("ReturnCase", t, "officer-2"), case=work, completion={"index": work, "end_day": work_day},
           account=FORMER_ACCOUNT, step="CASE_STEP_RETURNED", state="CASE_STATUS_RETURNED", deadline=micros("2026-08-13 00:00"))
    both = {"from": FORMER_ACCOUNT, "into": ACCOUNT}
    for undone in (True, False):
        t += 3_600_000_000
        merge = append(t, "account_merge_proposed", **call("ProposeMerge", t), **both, reason_code="DOUBLE_ENROLMENT")
        named = {"merge": merge, **both}
        append(t, "account_merge_step_taken", **call("DecideMerge", t, "officer-2"), merge=merge, step="MERGE_STEP_REVIEWED",
               reason_code="IDENTITY_CHECKED")
        append(t, "accounts_merged", **call("DecideMerge", t, "officer-3"), **named, items=2)
        moved = append(t, "item_moved", **named, item={"index": former, "end_day": earned}, outcome="OUTCOME_AWARDED",
                       effects={"hours": [{"year": 2020, "category": "skills", "minutes": 90}],
                                "lots": [{"category": "skills", "available": 300}]})
        append(t, "item_moved", **named, item={"index": work, "end_day": work_day}, outcome="OUTCOME_IN_REVIEW", effects={})
        if not undone:
            continue
        append(t, "account_merge_step_taken", **call("UndoMerge", t), merge=merge, step="MERGE_STEP_UNDO_PROPOSED",
               reason_code="DECIDED_BY_MISTAKE")
        append(t, "accounts_unmerged", **call("UndoMerge", t, "officer-2"), **named)
        append(t, "item_returned", **named, item={"index": work, "end_day": work_day}, effects={})
        append(t, "item_returned", **named, item={"index": former, "end_day": earned},
               effects={"hours": [{"year": 2020, "category": "skills", "minutes": -90}]},
               lots=[{"entry": moved, "available": -300, "completion": {"index": former, "end_day": earned}}])
    # A university says what it takes over, and later how it will go on. The learner lets it ask; an officer takes that back for them.
    t = micros("2026-07-14 12:00")
    append(t, "organization_registered", **call("RegisterOrganization", t), organization=UNIVERSITY, name="开放大学",
           code=UNIVERSITY_CODE, roles=["ROLE_ACCEPTOR"], trust_tier=3)
    append(t, "key_added", **call("AddKey", t), organization=UNIVERSITY, key_id=UNIVERSITY_KEY.id, public_key=UNIVERSITY_KEY.spki,
           algorithm=UNIVERSITY_KEY.enum, purpose="KEY_PURPOSE_SIGN",
           proof=UNIVERSITY_KEY.sign(registration_text(UNIVERSITY, UNIVERSITY_KEY.id, "sign")))
    t += 60_000_000
    published(t, AGREEMENT, "1", "2026-07-15")
    published(t, NEXT_AGREEMENT, "2", "2027-01-01")
    t = micros("2026-07-16 10:00")
    append(t, "consent_granted", actor={"resident": True}, request=request("GrantConsent", t), account=ACCOUNT,
           institution=UNIVERSITY, purpose="transfer", expires=micros("2026-10-16 10:00"))
    consent = append(t, "consent_granted", **call("GrantConsent", t, "officer-2"), account=ACCOUNT, institution=UNIVERSITY,
                     purpose="transfer", categories=["humanities", "skills"], items=[tea_2, opening],
                     expires=micros("2026-08-16 10:00"))
    append(t, "consent_withdrawn", **call("WithdrawConsent", t, "officer-2"), account=ACCOUNT, consent=consent)
    append(t, "agreement_ended", actor=actor(organization=UNIVERSITY, key=UNIVERSITY_KEY), request=request("EndAgreement", t),
           agreement_hash=sha256(NEXT_AGREEMENT), last_day=days("2027-06-30"))
    t = append_transfers(opening + 1, days("1969-12-31"), claim, claim_ref)
    # The school wants to post what its own classes do: asked for more, refused, and admitted by another officer on its appeal.
    t += 3_600_000_000
    applied = append(t, "accreditation_applied", **call("Apply", t, "officer-3"), organization=SCHOOL, role="ROLE_PLATFORM",
                     valid_from_day=days("2026-08-01"), valid_until_day=days("2027-07-31"), statement="自建点名系统")

    def step(state, officer, application, **more):
        nonlocal t
        t += 3_600_000_000
        append(t, "application_step_taken", **call(f"Application {state}", t, officer), application=application,
               state=f"APPLICATION_STATE_{state}", **more)

    step("RETURNED", "officer-2", applied, reason_code="DOCUMENTS_MISSING", note="请补充等级保护备案证明")
    step("UNSPECIFIED", "officer-3", applied, note="已补充")
    step("REFUSED", "officer-2", applied, reason_code="REQUIREMENTS_NOT_MET", appeal_until_day=days("2026-08-13"))
    step("APPEALED", "officer-3", applied, note="备案证明在第三页")
    step("ACCREDITED", "officer-1", applied, reason_code="MEETS_REQUIREMENTS", valid_from_day=days("2026-08-15"),
         valid_until_day=days("2027-07-31"), trust_tier=3)
    # A course goes the same way.
    t += 3_600_000_000
    game = append(t, "course_proposed", **call("ProposeCourse", t), provider=SCHOOL, code="go-1", version="2026", title="围棋入门",
                  category="humanities", level=1, nominal_minutes=540, valid_from_day=days("2026-08-01"))
    step("RETURNED", "officer-2", game, reason_code="DOCUMENTS_UNCLEAR", note="请补充教学大纲")
    step("UNSPECIFIED", "officer-1", game, note="大纲已附")
    t += 3_600_000_000
    append(t, "course_decided", **call("DecideCourse", t, "officer-2"), course=game, decision="COURSE_DECISION_REFUSED",
           reason_code="DUPLICATE", appeal_until_day=days("2026-08-13"))
    step("APPEALED", "officer-1", game, note="与棋类课程内容不同")
    t += 3_600_000_000
    append(t, "course_decided", **call("DecideCourse", t, "officer-3"), course=game, decision="COURSE_DECISION_ACCREDITED",
           reason_code="MEETS_REQUIREMENTS")
    # A suspension is put off for good before it begins, another one is cut short; the course is renewed after a gap.
    for change, first, last in (("SUSPENDED", "2026-08-01", ""), ("REINSTATED", "2026-08-01", ""), ("SUSPENDED", "2026-09-01", "2026-12-31"),
                                ("REINSTATED", "2026-10-01", ""), ("RENEWED", "2029-02-01", "2030-12-31")):
        t += 3_600_000_000
        more = {"until_day": days(last)} if last else {}
        append(t, "course_changed", **call("ChangeCourse", t, "officer-2"), course=aid, change=f"COURSE_CHANGE_{change}",
               from_day=days(first), reason_code="QUALITY", **more)
    for change, more in (("TRUST", {"trust_tier": 1}), ("ROLES", {"roles": ["ROLE_PLATFORM", "ROLE_ACCEPTOR"]}),
                         ("SUSPENDED", {"from_day": days("2026-08-01")}), ("REINSTATED", {"from_day": days("2026-08-11")}),
                         ("ENDED", {"until_day": days("2027-12-31")})):
        t += 3_600_000_000
        append(t, "organization_changed", **call("ChangeOrganization", t), organization=PLATFORM,
               change=f"ORGANIZATION_CHANGE_{change}", reason_code="OTHER", reason="on its own wish", **more)
    # The first aid course is suspected: everything of it is held, and another officer has it taken back, with the case that is open
    # on it. A hold of the tea course comes free.
    t += 3_600_000_000
    append(t, "case_opened", account=ACCOUNT, completion={"index": aid_2, "end_day": aid_2_day}, causes=["KEY_COMPROMISED"], risk=5)
    registered = {e["organization_registered"]["organization"]: i for i, (f, e) in enumerate(LOG) if f == "OrganizationRegistered"}
    chosen = {"course": aid, "from_day": days("2026-01-01"), "before": len(LOG)}
    totals = {"completions": 2, "accounts": 1, "minutes": 299, "milli_points": 4900, "available": 400, "cases": 1}
    suspected = append(t, "clawback_proposed", **call("ProposeClawback", t), organization=COLLEGE, selection=chosen, totals=totals,
                       digest=clawback_digest(chosen, totals), reason_code="IMPLAUSIBLE", reason="签到表系伪造", hold=True, hold_future=True)
    aid_2_ref = {"index": aid_2, "end_day": aid_2_day}
    aid_2_lot = {"entry": aid_2, "completion": aid_2_ref}
    append(t, "completion_held", account=ACCOUNT, completion=aid_ref, clawback=suspected)
    append(t, "completion_held", account=ACCOUNT, completion=aid_2_ref, clawback=suspected,
           effects={"lot_changes": [{**aid_2_lot, "pending": 400, "available": -400}]})
    append(t, "clawback_decided", clawback=suspected, state="CLAWBACK_STATE_HELD")
    t += 86_400_000_000
    chosen_2 = {"course": tea, "organization": registered[PLATFORM], "to_day": days("2026-03-31"),
                "recorded_from": micros("2026-03-01 00:00"), "recorded_until": t, "before": len(LOG)}
    totals_2 = {"completions": 1, "accounts": 1, "minutes": 126, "milli_points": 2100, "expired": 200, "cases": 1}
    cleared = append(t, "clawback_proposed", **call("ProposeClawback", t), organization=PLATFORM, selection=chosen_2, totals=totals_2,
                     digest=clawback_digest(chosen_2, totals_2), reason_code="OTHER", reason="核查", hold=True)
    append(t, "completion_held", account=ACCOUNT, completion=tea_2_ref, clawback=cleared)
    append(t, "clawback_decided", clawback=cleared, state="CLAWBACK_STATE_HELD")
    append(t, "clawback_decided", **call("DeclineClawback", t, "officer-2"), clawback=cleared, state="CLAWBACK_STATE_DECLINED")
    append(t, "completion_held", account=ACCOUNT, completion=tea_2_ref, clawback=cleared, free=True)
    append(t, "clawback_decided", clawback=cleared, state="CLAWBACK_STATE_RELEASED")
    t += 86_400_000_000
    totals = {**{k: v for k, v in totals.items() if k != "available"}, "pending": 400}
    append(t, "clawback_decided", **call("ConfirmClawback", t, "officer-2"), clawback=suspected, state="CLAWBACK_STATE_CONFIRMED",
           totals=totals, digest=clawback_digest(chosen, totals))
    revoked = {"account": ACCOUNT, "clawback": suspected, "causes": ["CLAWED_BACK"], "risk": 4, "deadline": micros("2026-08-16 00:00")}
    append(t, "credits_reversed", **revoked, completion=aid_ref, effects={"sessions_removed": session_times("aid-1")})
    append(t, "credits_reversed", **revoked, completion=aid_2_ref, effects={
        "hours": [{"year": 2026, "category": "skills", "minutes": -299}],
        "lot_changes": [{**aid_2_lot, "pending": -400, "reversed": 400}], "remainder": -11, "points": points(-4900),
        "sessions_removed": session_times("aid-2"), "group": {"group": "first-aid"}})
    append(t, "clawback_decided", clawback=suspected, state="CLAWBACK_STATE_FINISHED", unreached=1)
    story = len(LOG)
    while len(LOG) < 259:
        t += 1_000_000
        append(t, "account_opened", **call("OpenAccount", t), account=derived(f"account {len(LOG)}", 16), home=SCHOOL,
               status="ACCOUNT_STATUS_PROVISIONAL")
    # Three more had been published. They were lost, and the 259 that are left go on under another origin.
    t += 86_400_000_000
    append(t, "log_continued", origin=NEXT_ORIGIN, last_verifier_key=note_key(ORIGIN, LOG_KEY)[1],
           last_checkpoint=signed_note(checkpoint_text(262, derived("root of what was lost")), ORIGIN, LOG_KEY).encode())
    return story


STORY = build_log()
ENTRY_BYTES = [encode("Entry", entry) for _, entry in LOG]
TREE = Tree([leaf_hash(b) for b in ENTRY_BYTES])
INDEX = {}
for number_, (fact_, _) in enumerate(LOG):
    INDEX.setdefault(fact_, []).append(number_)

# ---------------------------------------------------------------------------------------------------------------------
# The state: what FORMAT.md says that each fact does, written a second time.


def u64(n):
    return n.to_bytes(8, "big")


def table(number, *parts):
    return bytes([number]) + b"".join(parts)


def week_of(day):
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day) - datetime.date(1, 1, 1)).days // 7


ENDED = [f"CASE_STATUS_{x}" for x in ("APPROVED", "REJECTED", "WITHDRAWN", "REVOKED")]
ENDING = [f"CASE_STATUS_{x}" for x in ("RETURNED", "PUBLIC_NOTICE")]  # by themselves
LEASES = ("CASE_STEP_TAKEN", "CASE_STEP_RELEASED")
JUDGING = [None] + [f"CASE_STEP_{x}" for x in (
    "REJECTED", "HOURS_ONLY", "RECOMMENDED", "RECOMMENDED_REJECTION", "RECOMMENDED_HOURS_ONLY", "PUBLISHED", "OBJECTION_DISMISSED",
    "REVOKED")]
GONE = ("OUTCOME_VOIDED", "OUTCOME_REFUSED", "OUTCOME_WITHDRAWN")
AMOUNTS = ("pending", "available", "reserved", "transferred", "expired", "reversed")


class State:
    def __init__(self):
        self.rows = {}  # key → (type, message) or bytes

    def row(self, key, kind):
        return self.rows.setdefault(key, (kind, {}))[1]

    def new(self, key, kind, **message):
        assert key not in self.rows
        self.rows[key] = (kind, message)
        return message

    def organization_number(self, name):
        return self.rows[table(7, name.encode())][1]["index"]

    def apply(self, fact, entry):
        name = next(k for k in entry if k not in ("index", "time", "salt"))
        f = copy.deepcopy(entry[name])
        i, t = entry["index"], entry["time"]
        if fact in ("BankFounded", "OrganizationRegistered", "KeyAdded", "KeyRevoked", "OfficerAppointed", "OfficerRemoved",
                    "PolicyProposed", "PolicyPublished", "CourseProposed", "CourseDecided", "LogContinued", "OrganizationChanged",
                    "CourseChanged", "AccreditationApplied", "ApplicationStepTaken", "AgreementPublished", "AgreementEnded"):
            self.rows[table(1, b"directory")] = u64(i + 1)
        getattr(self, name)(i, t, f)
        if "request" in f:
            a = f["actor"]
            caller = ("officer:" + a["officer"] if a.get("officer") else
                      "resident" if a.get("resident") else "organization:" + a["organization"])
            key = table(0x10, caller.encode(), b"\0", f["request"]["method"].encode(), b"\0", f["request"]["request_id"])
            self.new(key, "RequestRow", hash=f["request"]["hash"], index=i)

    # Directory

    def bank_founded(self, i, t, f):
        pass

    def log_continued(self, i, t, f):
        assert i
        self.rows[table(1, b"origins")] = self.rows.get(table(1, b"origins"), b"") + u64(i)

    def organization_registered(self, i, t, f):
        self.new(table(7, f["organization"].encode()), "OrganizationRow", index=i, fact=f)

    def key_added(self, i, t, f):
        self.new(table(8, f["key_id"]), "KeyRow", index=i, time=t, fact=f)

    def key_revoked(self, i, t, f):
        row = self.rows[table(8, f["key_id"])][1]
        row.setdefault("revoked_time", t)
        since = f.get("compromised_since", 0)
        if since and not 0 < row.get("compromised_since", 0) <= since:
            row["compromised_since"] = since

    def officer_appointed(self, i, t, f):
        self.rows[table(9, f["officer"].encode())] = ("OfficerRow", {"index": i, "fact": f})

    def officer_removed(self, i, t, f):
        self.rows[table(9, f["officer"].encode())][1]["removed_plus_one"] = i + 1

    def policy_proposed(self, i, t, f):
        kept = {k: v for k, v in f.items() if k not in ("yaml", "request")}
        self.new(table(0x0C, f["policy_hash"]), "PolicyRow", index=i, time=t, fact=kept)

    def policy_published(self, i, t, f):
        self.rows[table(0x0C, f["policy_hash"])][1].update(published_plus_one=i + 1, published_time=t)

    def course_proposed(self, i, t, f):
        self.new(table(0x0A, u64(i)), "CourseRow", index=i, fact=f, progress={"time": t, "changed_index": i})
        name = b"\0".join(f[k].encode() for k in ("provider", "code", "version"))
        self.rows[table(0x0B, name)] = u64(i)

    def course_decided(self, i, t, f):
        row = self.rows[table(0x0A, u64(f["course"]))][1]
        row.update(decision=f["decision"], last_day=f.get("last_day", 0))
        state = f["decision"].replace("COURSE_DECISION", "APPLICATION_STATE").replace("RETIRED", "ACCREDITED")
        self.advance(i, t, row["progress"], {**f, "state": state})

    def course_changed(self, i, t, f):
        row = self.rows[table(0x0A, u64(f["course"]))][1]
        assert row["decision"] == "COURSE_DECISION_ACCREDITED"
        if f["change"] == "COURSE_CHANGE_RENEWED":
            row.setdefault("renewed", []).append(self.day_range(f["from_day"], f.get("until_day", 0)))
        else:
            self.suspended(row, f)

    def organization_changed(self, i, t, f):
        row = self.rows[table(7, f["organization"].encode())][1]
        change = f["change"].removeprefix("ORGANIZATION_CHANGE_")
        if change == "TRUST":
            row["trust_tier"] = f["trust_tier"]
        elif change == "ROLES":
            row.update(roles_plus_one=i + 1, roles=f.get("roles", []))
        elif change == "ENDED":
            row["last_day"] = f["until_day"]
        else:
            self.suspended(row, f)

    @staticmethod
    def day_range(first, last):
        assert first and (not last or first <= last)
        return {"from_day": first, "until_day": last}

    def suspended(self, row, f):
        ranges = row.setdefault("suspended", [])
        if f["change"].endswith("_SUSPENDED"):
            assert not ranges or 0 < ranges[-1]["until_day"] < f["from_day"]
            ranges.append(self.day_range(f["from_day"], f.get("until_day", 0)))
            return
        newest = ranges[-1]
        assert not newest["until_day"] or f["from_day"] <= newest["until_day"]
        if f["from_day"] <= newest["from_day"]:
            ranges.pop()
        else:
            newest["until_day"] = f["from_day"] - 1

    def accreditation_applied(self, i, t, f):
        self.organization_number(f["organization"])
        self.new(table(0x18, u64(i)), "ApplicationRow", index=i, time=t, fact=f, progress={"time": t, "changed_index": i})

    def application_step_taken(self, i, t, f):
        key = table(0x18, u64(f["application"]))
        if key in self.rows:
            row = self.rows[key][1]
            if f["state"] == "APPLICATION_STATE_ACCREDITED":
                organization = self.rows[table(7, row["fact"]["organization"].encode())][1]
                organization.setdefault("accredited", []).append({
                    "role": row["fact"]["role"], "days": self.day_range(f["valid_from_day"], f.get("valid_until_day", 0)),
                    "application": row["index"]})
                if f.get("trust_tier"):
                    organization["trust_tier"] = f["trust_tier"]
        else:
            row = self.rows[table(0x0A, u64(f["application"]))][1]
            assert f["state"] not in ("APPLICATION_STATE_ACCREDITED", "APPLICATION_STATE_REFUSED")
            row["decision"] = "COURSE_DECISION_UNSPECIFIED"
        assert row["progress"].get("state") != "APPLICATION_STATE_ACCREDITED"
        self.advance(i, t, row["progress"], f)

    @staticmethod
    def advance(i, t, progress, f):
        state = f["state"].removeprefix("APPLICATION_STATE_")
        if progress.get("state", "APPLICATION_STATE_UNSPECIFIED") != f["state"]:
            progress.update(state=f["state"], time=t)
            if state in ("ACCREDITED", "REFUSED"):
                progress.setdefault("deciders", []).append(f["actor"].get("officer", ""))
        if state in ("RETURNED", "APPEALED"):
            key = {"RETURNED": "returns", "APPEALED": "appeals"}[state]
            progress[key] = progress.get(key, 0) + 1
        progress.update(appeal_until_day=f.get("appeal_until_day", 0), changed_index=i)
        progress.setdefault("steps", []).append(i)

    def agreement_published(self, i, t, f):
        self.organization_number(f["institution"])
        kept = {k: v for k, v in f.items() if k not in ("yaml", "request", "signature")}
        self.new(table(0x1A, f["agreement_hash"]), "AgreementRow", index=i, time=t, fact=kept)

    def agreement_ended(self, i, t, f):
        row = self.rows[table(0x1A, f["agreement_hash"])][1]
        assert "ended_plus_one" not in row
        row.update(ended_plus_one=i + 1, last_day=f["last_day"])

    # Accounts

    def consent_granted(self, i, t, f):
        assert table(5, f["account"]) in self.rows and f["expires"] > t
        assert f.get("items", []) == sorted(f.get("items", []))
        institution = self.organization_number(f["institution"])
        kept = {k: v for k, v in f.items() if k not in ("request", "account")}
        self.new(table(0x1B, f["account"], u64(i)), "ConsentRow", time=t, fact=kept)
        self.rows[table(0x19, u64(institution), u64(i))] = f["account"]

    def consent_withdrawn(self, i, t, f):
        row = self.rows[table(0x1B, f["account"], u64(f["consent"]))][1]
        assert "withdrawn_plus_one" not in row
        row.update(withdrawn_plus_one=i + 1, withdrawn_time=t, withdrawn_by=f["actor"].get("officer", ""))

    def account_opened(self, i, t, f):
        self.new(table(5, f["account"]), "AccountRow", opened_index=i, opened_time=t, status=f["status"], home=f["home"])

    # Opening balances

    def opening_balances_proposed(self, i, t, f):
        self.organization_number(f["organization"])
        kept = {k: v for k, v in f.items() if k not in ("request", "part_roots")}
        self.new(table(0x15, u64(i)), "ImportRow", time=t, fact=kept)

    def opening_balances_confirmed(self, i, t, f):
        row = self.rows[table(0x15, u64(f["import"]))][1]
        assert "confirmed_plus_one" not in row
        row.update(confirmed_plus_one=i + 1, confirmed_time=t, confirmed_by=f["actor"]["officer"])

    def imported(self, i, origin):
        row = self.rows[table(0x15, u64(origin["import"]))][1]
        assert row["confirmed_plus_one"]
        key = table(4, u64(0), origin["source_id"])
        assert key not in self.rows
        self.rows[key] = u64(i)
        return self.organization_number(row["fact"]["organization"])

    def opening_balance_recorded(self, i, t, f):
        account = f["account"]
        item = {"index": i, "time": t, "organization": self.imported(i, f["origin"]), "category": f["category"],
                "end_day": f["earned_day"], "kind": "ITEM_KIND_OPENING_BALANCE", "source": f["source"]}
        self.week(account, f["earned_day"]).setdefault("items", []).append(item)
        row = self.rows[table(5, account)][1]
        row["opening_balances"] = row.get("opening_balances", 0) + 1
        self.change(i, account, item, "OUTCOME_AWARDED", f.get("effects", {}))

    def opening_balance_reversed(self, i, t, f):
        self.imported(i, f["origin"])
        item = self.item(f["account"], f["balance"])
        assert item.get("kind") and item["outcome"] != "OUTCOME_VOIDED"
        self.change(i, f["account"], item, "OUTCOME_VOIDED", f.get("effects", {}))

    # Clawbacks

    def held_to_come(self, i, row):
        if row["fact"].get("hold_future"):
            self.rows[table(1, b"directory")] = u64(i + 1)

    def clawback_proposed(self, i, t, f):
        self.organization_number(f["organization"])
        assert f["selection"]["before"] <= i
        kept = {k: v for k, v in f.items() if k != "request"}
        row = self.new(table(0x17, u64(i)), "ClawbackRow", time=t, fact=kept, state="CLAWBACK_STATE_PROPOSED", state_time=t)
        self.held_to_come(i, row)

    def clawback(self, index):
        return self.rows[table(0x17, u64(index))][1]

    def clawback_decided(self, i, t, f):
        row, to = self.clawback(f["clawback"]), f["state"]
        waits = ["CLAWBACK_STATE_PROPOSED", "CLAWBACK_STATE_HELD"]
        assert row["state"] in {"CLAWBACK_STATE_CONFIRMED": waits, "CLAWBACK_STATE_DECLINED": waits,
                                "CLAWBACK_STATE_FINISHED": ["CLAWBACK_STATE_CONFIRMED"],
                                "CLAWBACK_STATE_HELD": waits[:1], "CLAWBACK_STATE_RELEASED": ["CLAWBACK_STATE_DECLINED"]}[to]
        row.update(state=to, state_time=t)
        if to in ("CLAWBACK_STATE_CONFIRMED", "CLAWBACK_STATE_DECLINED"):
            row["decided_by"] = f["actor"]["officer"]
            if "totals" in f:
                row["confirmed"] = f["totals"]
            self.held_to_come(i, row)
        if to == "CLAWBACK_STATE_FINISHED":
            row["unreached"] = f.get("unreached", 0)

    def selected(self, row, item):
        s = row["fact"]["selection"]
        ok = (("completion", item["index"]), ("course", item["course"]), ("organization", item["organization"]))
        return (all(s.get(k, v) == v for k, v in ok) and item["index"] < s["before"] and "kind" not in item
                and s.get("from_day", -1e9) <= item["end_day"] <= s.get("to_day", 1e9)
                and s.get("recorded_from", 0) <= item["time"] < s.get("recorded_until", 1e18))

    def unheld(self, item):
        if item.get("held_plus_one"):
            row = self.clawback(item["held_plus_one"] - 1)
            row["held"] -= 1
            item["held_plus_one"] = 0

    def credits_reversed(self, i, t, f):
        account, item, row = f["account"], self.item(f["account"], f["completion"]), self.clawback(f["clawback"])
        assert row["state"] == "CLAWBACK_STATE_CONFIRMED" and self.selected(row, item) and item["outcome"] not in GONE
        if item.get("case_plus_one"):
            self.step(i, t, account=account, item=item, case=item["case_plus_one"] - 1, step="CASE_STEP_WITHDRAWN",
                      state="CASE_STATUS_WITHDRAWN")
        officers = [row["fact"]["actor"]["officer"], row["decided_by"]]
        case = self.new(table(0x0D, u64(i)), "CaseRow", status="CASE_STATUS_REVOKED", account=account, completion=f["completion"],
                        causes=f["causes"], risk=f["risk"], time=t, status_time=t, course=item["course"], deadline=f["deadline"],
                        changed_index=i, steps=[i], clawback_plus_one=f["clawback"] + 1, decided_plus_one=i + 1, decided_time=t,
                        officer=officers[1], reviewers=[{"stage": "CASE_STATUS_APPROVED", "officer": o} for o in officers])
        self.rows.update(self.listed(case, i))
        item.update(case_plus_one=0, last_case_plus_one=i + 1, decided_plus_one=i + 1)
        before = item.get("minutes", 0), item.get("milli_points", 0)
        self.change(i, account, item, "OUTCOME_REFUSED", f.get("effects", {}))
        item["clawback_plus_one"] = f["clawback"] + 1
        reversed_ = sum(c.get("reversed", 0) for c in f.get("effects", {}).get("lot_changes", []))
        for field, amount in (("completions", 1), ("minutes", before[0] - item.get("minutes", 0)),
                              ("milli_points", before[1] - item.get("milli_points", 0)), ("reversed", reversed_),
                              ("unrecovered", f.get("unrecovered", 0))):
            row[field] = row.get(field, 0) + amount

    def completion_held(self, i, t, f):
        item, row = self.item(f["account"], f["completion"]), self.clawback(f["clawback"])
        assert f.get("free") or row["fact"]["hold"] and self.selected(row, item) and item["outcome"] not in GONE
        self.unheld(item)
        if not f.get("free"):
            row["held"] = row.get("held", 0) + 1
            item["held_plus_one"] = f["clawback"] + 1
        self.change(i, f["account"], item, item["outcome"], f.get("effects", {}))

    # Claims

    def claim_filed(self, i, t, f):
        account, number = f["account"], self.organization_number(f["organization"])
        item = {"index": i, "time": t, "organization": number, "category": f["category"], "end_day": f["end_day"],
                "kind": "ITEM_KIND_CLAIM"}
        self.week(account, f["end_day"]).setdefault("items", []).append(item)
        row = self.rows[table(5, account)][1]
        row["claims"] = row.get("claims", 0) + 1
        self.open_case(i, t, account, {"index": i, "end_day": f["end_day"]}, item, f)
        self.rows[table(0x0D, u64(i))][1].update(organization=number, filed_by=f["actor"].get("officer", ""))
        self.change(i, account, item, "OUTCOME_IN_REVIEW", {})

    # Merges

    def account_merge_proposed(self, i, t, f):
        assert f["from"] != f["into"]
        for side in ("from", "into"):
            self.rows[table(5, f[side])][1]["merge_plus_one"] = i + 1
        self.new(table(0x16, u64(i)), "MergeRow", time=t, fact={k: v for k, v in f.items() if k != "request"},
                 status="MERGE_STATUS_PROPOSED", changed_index=i, reason_code=f["reason_code"])

    def account_merge_step_taken(self, i, t, f):
        row = self.rows[table(0x16, u64(f["merge"]))][1]
        before, status, by = {
            "MERGE_STEP_REVIEWED": (("PROPOSED",), "REVIEWED", "reviewed_by"),
            "MERGE_STEP_REFUSED": (("PROPOSED", "REVIEWED"), "REFUSED", "refused_by"),
            "MERGE_STEP_UNDO_PROPOSED": (("MERGED",), "UNDO_PROPOSED", "undo_proposed_by"),
            "MERGE_STEP_UNDO_REFUSED": (("UNDO_PROPOSED",), "MERGED", None),
        }[f["step"]]
        assert row["status"][len("MERGE_STATUS_"):] in before
        row.update(status="MERGE_STATUS_" + status, changed_index=i, reason_code=f["reason_code"])
        row[by or "undo_proposed_by"] = f["actor"]["officer"] if by else ""

    def merge_of(self, i, f, status):
        row = self.rows[table(0x16, u64(f["merge"]))][1]
        assert row["status"] == "MERGE_STATUS_" + status and all(row["fact"][k] == f[k] for k in ("from", "into"))
        row["changed_index"] = i
        return row, self.rows[table(5, f["from"])][1], self.rows[table(5, f["into"])][1]

    def arrive(self, row, from_, into, status, arrived):
        moving = row["left"] > 0
        row["status"] = "MERGE_STATUS_" + (status if moving else arrived)
        into["moving"] = moving
        if status == "RETURNING":
            from_["moving"] = moving

    def accounts_merged(self, i, t, f):
        row, from_, into = self.merge_of(i, f, "REVIEWED")
        items = sum(from_.get(k, 0) for k in ("completions", "opening_balances", "claims"))
        assert not from_.get("holds")
        assert items == f["items"] and not into.get("moving") and "ACCOUNT_STATUS_MERGED" not in (from_["status"], into["status"])
        row.update(status_before=from_["status"], merged_by=f["actor"]["officer"], merged_plus_one=i + 1, items=items, left=items,
                   through_plus_one=0)
        from_.update(status="ACCOUNT_STATUS_MERGED", merged_into=f["into"])
        for hold in from_.get("transfers", []):
            into.setdefault("transfers", []).append(hold)
            self.rows[table(0x1E, b"\x01", f["into"], u64(hold))] = bytes([enum_names("HoldStatus").index("HOLD_STATUS_POSTED")])
        self.arrive(row, from_, into, "MOVING", "MERGED")

    def accounts_unmerged(self, i, t, f):
        row, from_, into = self.merge_of(i, f, "UNDO_PROPOSED")
        row.update(undone_by=f["actor"]["officer"], left=row["items"])
        from_.update(status=row["status_before"], merged_into=b"")
        for hold in from_.get("transfers", []):
            into["transfers"].remove(hold)
            del self.rows[table(0x1E, b"\x01", f["into"], u64(hold))]
        self.arrive(row, from_, into, "RETURNING", "UNDONE")

    def hand_case(self, case, from_, into, account):
        self.rows[table(0x0D, u64(case))][1]["account"] = account
        handed = [d for d in from_.get("deadlines", []) if d["case"] == case]
        from_["deadlines"] = [d for d in from_.get("deadlines", []) if d["case"] != case]
        into["deadlines"] = sorted(into.get("deadlines", []) + handed, key=lambda d: d["case"])

    KINDS = {"ITEM_KIND_OPENING_BALANCE": "opening_balances", "ITEM_KIND_CLAIM": "claims"}

    def item_moved(self, i, t, f):
        row, from_, into = self.merge_of(i, f, "MOVING")
        old = self.item(f["from"], f["item"])
        assert old["index"] >= row.get("through_plus_one", 0) and not old.get("held_plus_one")
        kept = ("index", "time", "organization", "course", "category", "end_day", "kind", "source", "case_plus_one",
                "last_case_plus_one", "decided_plus_one", "effects_in", "clawback_plus_one")
        item = copy.deepcopy({k: old[k] for k in kept if k in old})
        item.update(moved_plus_one=i + 1, merge_plus_one=f["merge"] + 1)
        items = self.week(f["into"], item["end_day"]).setdefault("items", [])
        items.append(item)
        items.sort(key=lambda x: x["index"])
        count = self.KINDS.get(item.get("kind"), "completions")
        into[count] = into.get(count, 0) + 1
        if item.get("last_case_plus_one"):
            self.hand_case(item["last_case_plus_one"] - 1, from_, into, f["into"])
        if f.get("causes"):
            assert not item.get("case_plus_one") and "kind" not in item
            self.open_case(i, t, f["into"], f["item"], item, f)
        row.update(left=row["left"] - 1, through_plus_one=item["index"] + 1)
        self.arrive(row, from_, into, "MOVING", "MERGED")
        self.change(i, f["into"], item, f["outcome"], f.get("effects", {}))
        if any(lot.get("uses") for lot in old.get("lots", [])):
            assert [lot["transferred"] for lot in item.get("lots", [])] == [lot["transferred"] for lot in old["lots"]]
            for lot, was in zip(item["lots"], old["lots"]):
                if was.get("uses"):
                    lot["uses"] = copy.deepcopy(was["uses"])
        else:
            assert not any(lot["transferred"] for lot in item.get("lots", []))

    def item_returned(self, i, t, f):
        row, from_, into = self.merge_of(i, f, "RETURNING")
        item, old = self.item(f["into"], f["item"]), self.item(f["from"], f["item"])
        assert item["merge_plus_one"] == f["merge"] + 1 and not f.get("effects", {}).get("lots")
        used = [{u["hold"] for lot in x.get("lots", []) for u in lot.get("uses", [])} for x in (item, old)]
        assert used[0] <= used[1]
        self.effects(i, f["into"], item, f.get("effects", {}))
        assert "restores" not in f  # none in this log
        assert len(f.get("lots", [])) == len(item.get("lots", []))
        total = self.sum(into, item["category"])
        for c, lot in zip(f.get("lots", []), item.get("lots", [])):
            assert (c["entry"], c.get("position", 0)) == (lot["entry"], lot["position"])
            for a in AMOUNTS:
                assert lot[a] == -c.get(a, 0)
                total[a] -= lot[a]
                total["issued"] -= lot[a]
            self.track(into, item, {**lot, "pending": 0, "available": 0})
        assert not item.get("minutes") and not item.get("milli_points")
        for last in {x["last_case_plus_one"] for x in (old, item) if x.get("last_case_plus_one")}:
            self.hand_case(last - 1, into, from_, f["from"])
        self.week(f["into"], item["end_day"])["items"].remove(item)
        into[self.KINDS.get(item.get("kind"), "completions")] -= 1
        row["left"] -= 1
        self.arrive(row, from_, into, "RETURNING", "UNDONE")
        old["changed_index"] = i
        self.mark_item(old, i)

    def mark_item(self, item, i):
        if "kind" not in item:
            self.mark(item["organization"], i)

    def mark(self, organization, i):
        key = table(0x0F, u64(organization), u64(i // 256))
        marks = bytearray(self.rows.get(key, bytes(32)))
        marks[i % 256 // 8] |= 1 << i % 8
        self.rows[key] = bytes(marks)

    def submission_received(self, i, t, f):
        self.organization_number(f["organization"])

    def stated(self, i, origin):
        key = table(4, u64(self.organization_number(origin["organization"])), origin["statement_id"])
        assert key not in self.rows
        self.rows[key] = u64(i)

    def week(self, account, day):
        number, row = week_of(day), self.rows[table(5, account)][1]
        row.update(first_week=min(row.get("first_week", number), number), end_week=max(row.get("end_week", 0), number + 1))
        return self.row(table(6, account, number.to_bytes(4, "big")), "WeekRow")

    def item(self, account, ref):
        return next(x for x in self.week(account, ref["end_day"])["items"] if x["index"] == ref["index"])

    def completion_recorded(self, i, t, f):
        account, origin = f["account"], f["origin"]
        self.stated(i, origin)
        item = {"index": i, "time": t, "organization": self.organization_number(origin["organization"]),
                "course": f["course"], "category": f["category"], "end_day": f["end_day"]}
        self.week(account, f["end_day"]).setdefault("items", []).append(item)
        row = self.rows[table(5, account)][1]
        row["completions"] = row.get("completions", 0) + 1
        if f["outcome"] == "OUTCOME_IN_REVIEW":
            self.open_case(i, t, account, {"index": i, "end_day": f["end_day"]}, item, f)
        self.change(i, account, item, f["outcome"], f.get("effects", {}))

    def completion_voided(self, i, t, f):
        self.stated(i, f["origin"])
        item = self.item(f["account"], f["completion"])
        assert "kind" not in item
        if item.get("case_plus_one"):
            self.step(i, t, account=f["account"], item=item, case=item["case_plus_one"] - 1, step="CASE_STEP_WITHDRAWN",
                      state="CASE_STATUS_WITHDRAWN")
        self.change(i, f["account"], item, "OUTCOME_VOIDED", f.get("effects", {}))

    def credits_awarded(self, i, t, f):
        self.case_step_taken(i, t, {**f, "state": "CASE_STATUS_APPROVED"})

    def case_step_taken(self, i, t, f):
        item = self.item(f["account"], f["completion"])
        self.step(i, t, item=item, **{k: f[k] for k in ("actor", "case", "account", "step", "state", "deadline", "due", "lease_until")
                                      if k in f})
        if f["state"] in ENDED and f["state"] != "CASE_STATUS_WITHDRAWN":
            item["decided_plus_one"] = i + 1
        if "outcome" in f:
            self.change(i, f["account"], item, f["outcome"], f.get("effects", {}))
        elif f["step"] not in LEASES:
            item["changed_index"] = i
            self.mark_item(item, i)

    def case_opened(self, i, t, f):
        item = self.item(f["account"], f["completion"])
        assert "kind" not in item
        self.open_case(i, t, f["account"], f["completion"], item, f)
        item["changed_index"] = i
        self.mark_item(item, i)

    def credits_released(self, i, t, f):
        self.effects(i, f["account"], None, f["effects"])

    credits_expired = credits_released

    def listed(self, row, case):
        """The rows by which a case is found."""
        status = enum_names("CaseStatus").index(row["status"])
        rows = {table(0x0E, bytes([status, 255 - row["risk"]]), u64(case)): u64(row.get("course", 0)) + u64(row["time"])}
        if row["status"] in ENDING and row.get("deadline"):
            rows[table(0x12, b"\x01", u64(row["deadline"]), u64(case))] = b""
        if row["status"] not in ENDED and row.get("due"):
            rows[table(0x12, b"\x02", u64(row["due"]), u64(case))] = b""
        if row.get("holder"):
            rows[table(0x13, row["holder"].encode(), b"\0", u64(case))] = b""
        return rows

    def open_case(self, i, t, account, ref, item, f):
        row = self.new(table(0x0D, u64(i)), "CaseRow", status="CASE_STATUS_SUBMITTED", account=account, completion=ref,
                       causes=f.get("causes", []), risk=f.get("risk", 0), time=t, status_time=t, course=item.get("course", 0),
                       due=f.get("due", 0), changed_index=i)
        self.rows.update(self.listed(row, i))
        item.update(case_plus_one=i + 1, last_case_plus_one=i + 1)

    def step(self, i, t, account, item, case, state, step=None, actor=None, deadline=0, due=0, lease_until=0):
        row = self.rows[table(0x0D, u64(case))][1]
        officer = (actor or {}).get("officer", "")
        for key in self.listed(row, case):
            del self.rows[key]
        if officer and step in JUDGING:
            stage = row["status"].replace("SUBMITTED", "FIRST_REVIEW")
            row.setdefault("reviewers", []).append({"stage": stage, "officer": officer})
        if row["status"] != state:
            row.update(status=state, status_time=t)
        taken = step == "CASE_STEP_TAKEN"
        row.update(deadline=deadline, due=due, holder=officer if taken else "", lease_until=lease_until if taken else 0,
                   changed_index=i)
        counted = {"CASE_STEP_RETURNED": "returns", "CASE_STEP_OBJECTED": "objections", "CASE_STEP_APPEALED": "appeals"}.get(step)
        if counted:
            row[counted] = row.get(counted, 0) + 1
        if state == "CASE_STATUS_PUBLIC_NOTICE":
            row["notice_until"] = deadline
        if step not in LEASES:
            row.setdefault("steps", []).append(i)
        over = state in ENDED
        row.update(decided_plus_one=i + 1 if over else 0, decided_time=t if over else 0, officer=officer if over else "")
        item["case_plus_one"] = 0 if over else case + 1
        self.rows.update(self.listed(row, case))
        holder = self.rows[table(5, account)][1]
        holder["deadlines"] = [d for d in holder.get("deadlines", []) if d["case"] != case]
        if state in ENDING and deadline:
            holder["deadlines"] = sorted(holder["deadlines"] + [{"case": case, "time": deadline}], key=lambda d: d["case"])

    # Holds

    def lot(self, account, held):
        item = self.item(account, held["completion"])
        return item, next(x for x in item["lots"] if (x["entry"], x["position"]) == (held["entry"], held.get("position", 0)))

    def list_hold(self, i, row):
        status = bytes([enum_names("HoldStatus").index(row["status"])])
        self.rows[table(0x1E, b"\x01", row["account"], u64(i))] = status
        self.rows[table(0x1E, b"\x02", u64(row["organization"]), u64(i))] = status
        lapses = table(0x1F, u64(row["deadline"]), u64(i))
        if row["status"] == "HOLD_STATUS_HELD":
            self.rows[lapses] = b""
        else:
            del self.rows[lapses]

    def move_held(self, account, items, effects, taken=None):
        row, changes = self.rows[table(5, account)][1], list(effects.get("lot_changes", []))
        for n, held in enumerate(items):
            if held.get("recognised"):
                continue
            item, lot = self.lot(account, held)
            c = changes.pop(0)
            assert (c["entry"], c.get("position", 0), c["completion"]) == (held["entry"], held.get("position", 0), held["completion"])
            assert sum(c.get(a, 0) for a in AMOUNTS) == 0 and not c.get("pending") and not c.get("reversed")
            if taken is None:
                assert c["available"] == -held["milli_credits"] and c["reserved"] == held["milli_credits"]
            else:
                assert c["reserved"] == -held["milli_credits"] and c.get("transferred", 0) == taken[n]
                assert not c.get("available") or not c.get("expired")
            total = self.sum(row, item["category"])
            for a in AMOUNTS:
                lot[a] += c.get(a, 0)
                total[a] += c.get(a, 0)
                assert lot[a] >= 0
            self.track(row, item, lot)
        assert not changes

    def hold_placed(self, i, t, f):
        account, number = f["account"], self.organization_number(f["institution"])
        assert f["deadline"] > t and f["items"]
        row = self.new(table(0x1D, u64(i)), "TransferRow", status="HOLD_STATUS_HELD", account=account, organization=number,
                       programme=f["programme"], agreement=f["agreement"], time=t, deadline=f["deadline"], items=f["items"],
                       changed_index=i)
        for n, held in enumerate(f["items"]):
            item, lot = self.lot(account, held)
            assert held["milli_credits"] > 0 and held["category"] == item["category"]
            recognised = held.get("recognised", False)
            assert not recognised or held["milli_credits"] <= lot["available"]
            had = [u for u in lot.setdefault("uses", []) if u["organization"] == number]
            assert all(u["hold"] != i for u in had)
            assert sum(u["milli_credits"] for u in had) + held["milli_credits"] <= sum(lot[a] for a in AMOUNTS)
            lot["uses"].append({"hold": i, "organization": number, "milli_credits": held["milli_credits"], "recognised": recognised,
                                "item": n})
        self.move_held(account, f["items"], f["effects"])
        self.rows[table(5, account)][1].setdefault("holds", []).append({"hold": i, "deadline": f["deadline"]})
        self.list_hold(i, row)
        self.mark(number, i)

    def end_hold(self, i, t, f, status, taken=None):
        row, account = self.rows[table(0x1D, u64(f["hold"]))][1], self.rows[table(5, f["account"])][1]
        assert row["status"] == "HOLD_STATUS_HELD" and row["account"] == f["account"]
        amounts = [x.get("milli_credits", 0) for x in taken] if taken else [0] * len(row["items"])
        for held, amount in zip(row["items"], amounts, strict=True):
            assert 0 <= amount <= held["milli_credits"]
            _, lot = self.lot(f["account"], held)
            use = next(u for u in lot["uses"] if u["hold"] == f["hold"])
            use["milli_credits"] = amount
            if not amount:
                lot["uses"].remove(use)
        self.move_held(f["account"], row["items"], f.get("effects", {}), amounts)
        account["holds"] = [h for h in account["holds"] if h["hold"] != f["hold"]]
        if taken:
            row["taken"] = taken
            account.setdefault("transfers", []).append(f["hold"])
        row.update(status=status, ended_plus_one=i + 1, ended_time=t, changed_index=i)
        self.list_hold(f["hold"], row)
        self.mark(row["organization"], i)

    def hold_posted(self, i, t, f):
        assert any(x.get("milli_credits") for x in f["taken"])
        self.end_hold(i, t, f, "HOLD_STATUS_POSTED", f["taken"])

    def hold_voided(self, i, t, f):
        row = self.rows[table(0x1D, u64(f["hold"]))][1]
        on = any(held["completion"]["index"] == f.get("completion", {}).get("index") for held in row["items"])
        assert on == (f["cause"] == "HOLD_VOID_REVERSED")
        self.end_hold(i, t, f, f["cause"].replace("VOID", "STATUS"))

    def hold_expired(self, i, t, f):
        assert t >= self.rows[table(0x1D, u64(f["hold"]))][1]["deadline"]
        self.end_hold(i, t, f, "HOLD_STATUS_EXPIRED")

    def claw_back(self, i, item):
        for lot in item.get("lots", []):
            for use in lot.get("uses", []):
                row = self.rows[table(0x1D, u64(use["hold"]))][1]
                assert row["status"] == "HOLD_STATUS_POSTED"
                n = use["item"]
                if all(c["item"] != n for c in row.get("clawbacks", [])):
                    row.setdefault("clawbacks", []).append({"entry": i, "item": n})
                    row["changed_index"] = i
                    self.mark(row["organization"], i)

    def change(self, i, account, item, outcome, effects):
        item.update(outcome=outcome, changed_index=i)
        if outcome in GONE:
            self.unheld(item)
        if i != item["index"]:
            item.setdefault("effects_in", []).append(i)
        self.mark_item(item, i)
        if outcome != "OUTCOME_AWARDED":
            self.claw_back(i, item)
        self.effects(i, account, item, effects)

    def note(self, i, item):
        if item["changed_index"] != i:
            item["changed_index"] = i
            item.setdefault("effects_in", []).append(i)
            self.mark_item(item, i)

    # Effects

    @staticmethod
    def add(items, match, amount, delta, keep_zero):
        """Adds to the item of a list that matches, appending it when it is missing."""
        found = next((x for x in items if all(x[k] == v for k, v in match.items())), None)
        if found is None:
            found = {**match, amount: 0}
            items.append(found)
        found[amount] += delta
        assert found[amount] >= 0
        if found[amount] == 0 and not keep_zero:
            items.remove(found)

    @staticmethod
    def sum(row, category):
        sums = row.setdefault("sums", [])
        found = next((x for x in sums if x["category"] == category), None)
        if found is None:
            found = {"category": category, "minutes": 0, "issued": 0, **{a: 0 for a in AMOUNTS}}
            sums.append(found)
        return found

    def hours(self, row, item, deltas):
        for h in deltas:
            self.sum(row, h["category"])["minutes"] += h["minutes"]
            self.add(row.setdefault("hours", []), {"year": h["year"], "category": h["category"]}, "minutes", h["minutes"], True)
            if item is not None:
                item["minutes"] = item.get("minutes", 0) + h["minutes"]

    def usage(self, row, deltas):
        for u in deltas:
            self.add(row.setdefault("usage", []), {"key": u["key"]}, "milli_credits", u["milli_credits"], False)

    def points(self, row, item, deltas):
        for p in deltas:
            self.add(row.setdefault("points", []), {"lapses_day": p.get("lapses_day", 0)}, "milli_points", p["milli_points"], False)
            item["milli_points"] = item.get("milli_points", 0) + p["milli_points"]
            assert item["milli_points"] >= 0

    def remainder(self, row, item, delta):
        if delta:
            self.add(row.setdefault("remainders", []), {"course": item["course"]}, "minutes", delta, False)

    def day(self, account, day):
        items = self.week(account, day).setdefault("days", [])
        found = next((x for x in items if x["day"] == day), None)
        if found is None:
            found = {"day": day, "sessions": [], "minutes": []}
            items.append(found)
        return found

    def day_minutes(self, account, deltas):
        for d in deltas:
            self.add(self.day(account, d["day"])["minutes"], {"day": d["day"], "rule": d["rule"]}, "minutes", d["minutes"], True)

    def track(self, row, item, lot):
        ref = {"entry": lot["entry"], "position": lot["position"], "expires_day": lot["expires_day"],
               "completion": {"index": item["index"], "end_day": item["end_day"]}}
        for field, wanted in (("pending", lot["pending"] > 0),
                              ("expiring", lot["expires_day"] != 0 and lot["pending"] + lot["available"] > 0)):
            refs = [r for r in row.get(field, []) if r != ref] + ([ref] if wanted else [])
            row[field] = sorted(refs, key=lambda r: (r["entry"], r["position"]))

    def effects(self, i, account, item, e):
        row = self.rows[table(5, account)][1]
        self.hours(row, item, e.get("hours", []))
        for position, lot in enumerate(e.get("lots", [])):
            state = {"entry": i, "position": position, **{a: lot.get(a, 0) for a in AMOUNTS},
                     "expires_day": lot.get("expires_day", 0)}
            item.setdefault("lots", []).append(state)
            total = self.sum(row, lot["category"])
            total["issued"] += state["available"] + state["pending"]
            total["available"] += state["available"]
            total["pending"] += state["pending"]
            self.track(row, item, state)
        for c in e.get("lot_changes", []):
            owner = self.item(account, c["completion"])
            lot = next(x for x in owner["lots"] if (x["entry"], x["position"]) == (c["entry"], c.get("position", 0)))
            moved = item is owner and c["entry"] == i and item.get("moved_plus_one") == i + 1
            assert sum(c.get(a, 0) for a in AMOUNTS) == 0 and not c.get("reserved") and (moved or not c.get("transferred"))
            total = self.sum(row, owner["category"])
            for a in AMOUNTS:
                lot[a] += c.get(a, 0)
                total[a] += c.get(a, 0)
                assert lot[a] >= 0
            self.track(row, owner, lot)
            self.note(i, owner)
        self.usage(row, e.get("usage", []))
        self.remainder(row, item, e.get("remainder", 0))
        self.points(row, item, e.get("points", []))
        if "group" in e:
            groups = [g for g in row.get("groups", []) if g["group"] != e["group"]["group"]]
            row["groups"] = groups + ([e["group"]] if "completion" in e["group"] else [])
        if "replaces" in e:
            r = e["replaces"]
            old = self.item(account, r["completion"])
            old["outcome"] = "OUTCOME_DUPLICATE"
            self.claw_back(i, old)
            self.hours(row, old, r.get("hours", []))
            self.usage(row, r.get("usage", []))
            self.day_minutes(account, r.get("days", []))
            self.remainder(row, old, r.get("remainder", 0))
            self.points(row, old, r.get("points", []))
            self.note(i, old)
        for s in e.get("sessions", []):
            self.day(account, s["day"])["sessions"].append({
                "completion": item["index"], "organization": item["organization"], "start": s["start"], "length": s["length"]})
        for s in e.get("sessions_removed", []):
            listed = self.day(account, s["day"])["sessions"]
            listed.remove(next(x for x in listed if (x["completion"], x["start"]) == (item["index"], s["start"])))
        self.day_minutes(account, e.get("days", []))


def rows_json(state):
    out = []
    for key in sorted(state.rows):
        value = state.rows[key]
        if isinstance(value, bytes):
            out.append({"key": key.hex(), "value": value.hex()})
        else:
            out.append({"key": key.hex(), "type": value[0], "message": to_json(*value)})
    return out


# ---------------------------------------------------------------------------------------------------------------------
# Entries


def entry_vectors():
    state = State()
    for fact, entry in LOG[:STORY]:
        state.apply(fact, entry)

    def mutated(index, change):
        entry = copy.deepcopy(LOG[index][1])
        change(entry)
        return encode("Entry", entry)

    def fact_of(entry):
        return next(v for k, v in entry.items() if k not in ("index", "time", "salt"))

    def change(position, **values):
        return mutated(position, lambda e: e.update(values))

    def effects(index, **values):
        return mutated(index, lambda e: fact_of(e)["effects"].update(values))

    def fact(index, **values):
        return mutated(index, lambda e: fact_of(e).update(values))

    (tea_1, tea_2, aid_1, aid_2) = INDEX["CompletionRecorded"]
    (voided,) = INDEX["CompletionVoided"]
    awarded, *_ = INDEX["CreditsAwarded"]
    (released,) = INDEX["CreditsReleased"]
    (expired,) = INDEX["CreditsExpired"]
    opened, *_ = INDEX["CaseOpened"]
    (applied,), games = INDEX["AccreditationApplied"], INDEX["CourseProposed"][-1]
    stepped = next(i for i in INDEX["ApplicationStepTaken"]
                   if LOG[i][1]["application_step_taken"]["state"] == "APPLICATION_STATE_ACCREDITED")
    suspended = INDEX["CourseChanged"][0]

    def once_more(index, field):
        """The fact of an entry once more, without the request that would be noticed first."""
        return at(index + 1, field, **{k: v for k, v in LOG[index][1][field].items() if k != "request"})
    tea_ref = LOG[voided][1]["completion_voided"]["completion"]
    confirmed, recorded = INDEX["OpeningBalancesConfirmed"][0], INDEX["OpeningBalanceRecorded"][0]
    (reversed_,) = INDEX["OpeningBalanceReversed"]
    placed, *_ = INDEX["HoldPlaced"]
    posted, _ = INDEX["HoldPosted"]
    refused_hold, undone = INDEX["HoldVoided"]
    (lapsed,) = INDEX["HoldExpired"]
    first = LOG[placed][1]["hold_placed"]["items"]
    suspected, cleared = INDEX["ClawbackProposed"]
    clawed = INDEX["CreditsReversed"][0]
    clawed_ref = LOG[clawed][1]["credits_reversed"]["completion"]
    balance, back = LOG[recorded][1]["opening_balance_recorded"], LOG[reversed_][1]["opening_balance_reversed"]

    agreed, ended = INDEX["AgreementPublished"][0], INDEX["AgreementEnded"][0]
    consented, withdrawn = INDEX["ConsentGranted"][0], INDEX["ConsentWithdrawn"][0]

    def fact_at(index, later):
        """The same once more, by another request."""
        return mutated(index, lambda e: (e.update(index=later, time=LOG[later - 1][1]["time"]),
                                         fact_of(e)["request"].update(request_id=uuid7(0, f"again {index}"))))

    def at(index, fact_field, **f):
        return encode("Entry", {"index": index, "time": LOG[index - 1][1]["time"], "salt": bytes(16), fact_field: f})

    # By whom each is refused: "entry", a reader of single entries; "log", whoever walks the entries in order; "state",
    # whoever adds their deltas up. "after" is the number of entries before it.
    refused = [
        ("truncated", "entry", tea_1, ENTRY_BYTES[tea_1][:-1], "the bytes are a message"),
        ("no-fact", "entry", 5, encode("Entry", {"index": 5, "time": LOG[5][1]["time"], "salt": bytes(16)}), "exactly one fact"),
        ("unknown-fact", "entry", 5, encode("Entry", {"index": 5, "time": LOG[5][1]["time"], "salt": bytes(16)})
         + delimited(4000, b""), "a known fact"),
        ("too-long", "entry", INDEX["PolicyProposed"][0], fact(INDEX["PolicyProposed"][0], yaml=bytes(65_500)),
         "at most 65,535 bytes"),
        ("salt-short", "entry", tea_1, change(tea_1, salt=bytes(15)), "salt: 16 bytes"),
        ("wrong-index", "log", tea_1, change(tea_1, index=tea_1 + 1), "index: the number of entries before it"),
        ("time-goes-back", "log", tea_1, change(tea_1, time=LOG[tea_1 - 1][1]["time"] - 1),
         "time: not before the entry before it"),
        ("founded-twice", "state", 1, at(1, "bank_founded", bank_id=BANK, origin=ORIGIN, format=2), "only entry 0 founds"),
        ("continued-at-once", "state", 0, encode("Entry", {
            "time": LOG[0][1]["time"], "salt": bytes(16), "log_continued": {"origin": NEXT_ORIGIN}}), "entry 0 founds the bank"),
        ("organization-twice", "state", 4, at(4, "organization_registered", organization=PLATFORM), "a new organization"),
        ("parent-unknown", "state", 4, at(4, "organization_registered", organization="new", parent="nobody"),
         "a registered parent"),
        ("key-twice", "state", 5, at(5, "key_added", organization=COLLEGE, key_id=PLATFORM_KEY.id), "a new key"),
        ("revoked-unknown-key", "state", 5, at(5, "key_revoked", key_id=OTHER_KEY.id), "a registered key"),
        ("removed-unknown-officer", "state", 5, at(5, "officer_removed", officer="nobody"), "an appointed officer"),
        ("published-twice", "state", tea_1, at(tea_1, "policy_published", policy_hash=POLICY_HASH), "not yet published"),
        ("published-unproposed", "state", tea_1, at(tea_1, "policy_published", policy_hash=sha256(b"")), "a proposed policy"),
        ("course-twice", "state", tea_1, at(tea_1, "course_proposed", provider=COLLEGE, code="tea-101", version="2026"),
         "a new version"),
        ("request-twice", "state", 5, at(5, "officer_removed", officer="officer-1",
                                         **{k: LOG[4][1]["key_added"][k] for k in ("actor", "request")}), "a new request"),
        ("account-twice", "state", tea_1, at(tea_1, "account_opened", account=ACCOUNT), "a new account"),
        ("account-zero", "state", tea_1, at(tea_1, "account_opened", account=bytes(16)), "account: not zero"),
        ("account-unknown", "state", tea_1, fact(tea_1, account=OTHER_ACCOUNT), "an open account"),
        ("signer-unknown", "state", tea_1, mutated(tea_1, lambda e: fact_of(e)["origin"].update(organization="nobody")),
         "a registered organization"),
        ("submission-of-unknown", "state", tea_1, at(tea_1, "submission_received", organization="nobody"),
         "a registered organization"),
        ("statement-twice", "state", tea_2, mutated(tea_2, lambda e: fact_of(e)["origin"].update(
            statement_id=STATEMENTS["tea-1"]["id"])), "a new statement"),
        ("lot-of-nothing", "state", tea_1, effects(tea_1, lots=[{"category": "humanities"}]), "a lot of some credits"),
        ("lot-negative", "state", tea_1, effects(tea_1, lots=[{"category": "humanities", "available": 2, "pending": -1}]),
         "no negative amount"),
        ("hours-negative", "state", tea_1, effects(tea_1, hours=[{"year": 2026, "category": "humanities", "minutes": -1}]),
         "no negative sum of hours"),
        ("usage-negative", "state", tea_1, effects(tea_1, usage=[{"key": "half-year/2026-H1", "milli_credits": -1}]),
         "no negative usage"),
        ("remainder-negative", "state", tea_1, effects(tea_1, remainder=-1), "no negative remainder"),
        ("points-negative", "state", tea_1, effects(tea_1, points=[{"lapses_day": 1, "milli_points": -1}]), "no negative points"),
        ("points-of-another-day", "state", voided, effects(voided, points=[{"milli_points": -1500}]), "no negative points"),
        ("points-of-another-completion", "state", voided, effects(voided, points=[
            {"lapses_day": days("2027-01-01"), "milli_points": -3000}]), "no negative points of a completion"),
        ("points-beyond-all", "state", tea_1, effects(tea_1, points=[{"milli_points": 2**60 + 1}]), "at most 2⁶⁰ points"),
        ("day-minutes-negative", "state", tea_1, effects(tea_1, days=[{"day": 1, "rule": "daily", "minutes": -1}]),
         "no negative minutes of a day"),
        ("lot-change-makes-credits", "state", voided, effects(voided, lot_changes=[
            {"entry": tea_1, "available": -100, "reversed": 101, "completion": tea_ref}]), "the changes of a lot add up to 0"),
        ("lot-overdrawn", "state", voided, effects(voided, lot_changes=[
            {"entry": tea_1, "available": -101, "reversed": 101, "completion": tea_ref}]), "no negative amount"),
        ("lot-unknown", "state", voided, effects(voided, lot_changes=[
            {"entry": tea_1, "position": 1, "available": -100, "reversed": 100, "completion": tea_ref}]), "a lot that is there"),
        ("completion-unknown", "state", voided, fact(voided, completion={"index": tea_1 + 1, "end_day": tea_ref["end_day"]}),
         "a completion of the account"),
        ("completion-in-another-week", "state", voided, fact(voided, completion={
            "index": tea_1, "end_day": tea_ref["end_day"] + 31}), "a completion of the account"),
        ("session-unknown", "state", voided, effects(voided, sessions_removed=[
            {**LOG[tea_1][1]["completion_recorded"]["effects"]["sessions"][0], "start": 1}]), "a session that is there"),
        ("voided-twice", "state", voided + 1, at(voided + 1, "completion_voided", account=ACCOUNT, completion=tea_ref, origin={
            "organization": PLATFORM, "statement_id": uuid7(0, "again"), "statement_hash": sha256(b"")}), "not yet voided"),
        ("case-not-open", "state", awarded, fact(awarded, case=aid_1 + 1), "the open case of the completion"),
        ("case-twice", "state", opened + 1, at(opened + 1, "case_opened", account=ACCOUNT,
                                               completion=LOG[opened][1]["case_opened"]["completion"], risk=1),
         "one open case on a completion"),
        ("lot-without-completion", "state", released, effects(released, lots=[{"category": "humanities", "available": 1}]),
         "lots belong to a completion"),
        ("points-without-completion", "state", released, effects(released, points=[{"milli_points": 1}]),
         "points belong to a completion"),
        ("remainder-without-completion", "state", released, effects(released, remainder=1),
         "a remainder belongs to a completion"),
        ("sessions-without-completion", "state", expired, effects(expired, sessions=[{"day": 1, "start": 1, "length": 1}]),
         "sessions belong to a completion"),
        ("merge-with-itself", "state", tea_1, at(tea_1, "account_merge_proposed", **{"from": ACCOUNT, "into": ACCOUNT}),
         "two accounts"),
        ("merge-of-unknown", "state", tea_1, at(tea_1, "account_merge_proposed", **{"from": OTHER_ACCOUNT, "into": ACCOUNT}),
         "an open account"),
        ("merged-unreviewed", "state", INDEX["AccountsMerged"][0] - 1, at(
            INDEX["AccountsMerged"][0] - 1, "accounts_merged", **LOG[INDEX["AccountsMerged"][0]][1]["accounts_merged"]),
         "a reviewed merge"),
        ("moved-unmerged", "state", INDEX["AccountsMerged"][0], at(
            INDEX["AccountsMerged"][0], "item_moved", **LOG[INDEX["ItemMoved"][0]][1]["item_moved"]), "a merge on its way"),
        ("moved-twice", "state", INDEX["ItemMoved"][1], at(
            INDEX["ItemMoved"][1], "item_moved", **LOG[INDEX["ItemMoved"][0]][1]["item_moved"]), "the oldest first"),
        ("returned-unmerged", "state", INDEX["ItemReturned"][0] - 1, at(
            INDEX["ItemReturned"][0] - 1, "item_returned", **LOG[INDEX["ItemReturned"][0]][1]["item_returned"]),
         "an undone merge"),
        ("import-of-unknown", "state", 5, at(5, "opening_balances_proposed", organization="nobody"), "a registered organization"),
        ("confirmed-unproposed", "state", 5, at(5, "opening_balances_confirmed", **{"import": 4}), "a proposed import"),
        ("confirmed-twice", "state", confirmed + 1, at(confirmed + 1, "opening_balances_confirmed", **{"import": confirmed - 1}),
         "not yet confirmed"),
        ("balance-unconfirmed", "state", confirmed, at(confirmed, "opening_balance_recorded", **balance), "a confirmed import"),
        ("record-twice", "state", recorded + 1, at(recorded + 1, "opening_balance_recorded", **balance), "a new record"),
        ("balance-of-unknown", "state", recorded, fact(recorded, account=OTHER_ACCOUNT), "an open account"),
        ("claim-to-unknown", "state", 5, at(5, "claim_filed", **call("SubmitClaim", 1), account=ACCOUNT, organization="nobody"),
         "a registered organization"),
        ("claim-of-unknown", "state", 5, at(5, "claim_filed", **call("SubmitClaim", 1), account=ACCOUNT, organization=COLLEGE),
         "an open account"),
        ("application-of-unknown", "state", 5, at(5, "accreditation_applied", organization="nobody"), "a registered organization"),
        ("step-of-no-application", "state", applied + 1, at(applied + 1, "application_step_taken", application=applied - 1),
         "an application or a proposed course"),
        ("accredited-twice", "state", stepped + 1, once_more(stepped, "application_step_taken"), "not yet accredited"),
        ("course-accredited-by-a-step", "state", games + 1, at(games + 1, "application_step_taken", application=games,
                                                               state="APPLICATION_STATE_ACCREDITED"), "a course is decided by CourseDecided"),
        ("suspended-undecided", "state", games + 1, at(games + 1, "course_changed", course=games, change="COURSE_CHANGE_SUSPENDED",
                                                       from_day=1), "an accredited course"),
        ("suspended-twice", "state", suspended + 1, once_more(suspended, "course_changed"), "a suspension that ends before the next one"),
        ("reinstated-at-once", "state", suspended, at(suspended, "course_changed", course=LOG[suspended][1]["course_changed"]["course"],
                                                      change="COURSE_CHANGE_REINSTATED", from_day=2), "a suspension that has not ended by then"),
        ("renewed-backwards", "state", suspended, at(
            suspended, "course_changed", course=LOG[suspended][1]["course_changed"]["course"], change="COURSE_CHANGE_RENEWED",
            from_day=2, until_day=1), "days that end after they begin"),
        ("changed-unknown", "state", 5, at(5, "organization_changed", organization="nobody", change="ORGANIZATION_CHANGE_TRUST",
                                           trust_tier=1), "a registered organization"),
        ("changed-nothing", "state", 5, at(5, "organization_changed", organization=PLATFORM), "a known change"),
        ("reversed-twice", "state", reversed_ + 1, at(reversed_ + 1, "opening_balance_reversed", **{
            **back, "origin": {**back["origin"], "source_id": uuid7(0, "again")}}), "not yet taken back"),
        ("clawback-of-unknown", "state", 5, at(5, "clawback_proposed", organization="nobody"), "a registered organization"),
        ("clawback-of-what-is-to-come", "state", 5, at(5, "clawback_proposed", organization=COLLEGE, selection={"before": 6}),
         "nothing recorded after it"),
        ("clawback-decided-unproposed", "state", 5, at(5, "clawback_decided", clawback=4, state="CLAWBACK_STATE_CONFIRMED"),
         "a proposed clawback"),
        ("clawback-finished-unconfirmed", "state", suspected + 1, at(suspected + 1, "clawback_decided", clawback=suspected,
                                                                     state="CLAWBACK_STATE_FINISHED"), "a confirmed clawback"),
        ("clawback-confirmed-twice", "state", clawed, at(clawed, "clawback_decided", clawback=suspected,
                                                         state="CLAWBACK_STATE_CONFIRMED"), "a clawback that waits"),
        ("clawed-back-unconfirmed", "state", suspected + 1, at(suspected + 1, "credits_reversed", account=ACCOUNT,
                                                               clawback=suspected, completion=clawed_ref), "a confirmed clawback"),
        ("clawed-back-unselected", "state", clawed, fact(clawed, completion=LOG[cleared + 1][1]["completion_held"]["completion"],
                                                         effects={}), "a completion of the selection"),
        ("clawed-back-twice", "state", clawed + 1, at(clawed + 1, "credits_reversed", account=ACCOUNT, clawback=suspected,
                                                      completion=clawed_ref), "a completion that counts, or could"),
        ("held-unselected", "state", suspected + 1, fact(suspected + 1, completion=tea_ref), "a completion of the selection"),
        ("held-twice", "state", suspected + 2, at(suspected + 2, "completion_held", account=ACCOUNT, clawback=suspected,
                                                  completion=clawed_ref), "not yet held"),
        ("free-unheld", "state", suspected + 1, at(suspected + 1, "completion_held", account=ACCOUNT, clawback=suspected,
                                                   completion=clawed_ref, free=True), "a completion that it holds"),
        ("reversed-completion", "state", reversed_, fact(reversed_, balance={
            "index": tea_2, "end_day": LOG[tea_2][1]["completion_recorded"]["end_day"]}, effects={}), "an opening balance"),
        ("agreement-twice", "state", agreed + 1, fact_at(agreed, agreed + 1), "a new agreement"),
        ("agreement-of-unknown", "state", agreed, fact(agreed, institution="nobody"), "a registered organization"),
        ("ended-unknown", "state", ended, fact(ended, agreement_hash=sha256(b"")), "a published agreement"),
        ("ended-twice", "state", ended + 1, fact_at(ended, ended + 1), "not yet ended"),
        ("consent-of-unknown", "state", consented, fact(consented, account=OTHER_ACCOUNT), "an open account"),
        ("consent-to-unknown", "state", consented, fact(consented, institution="nobody"), "a registered organization"),
        ("consent-expired", "state", consented, fact(consented, expires=LOG[consented][1]["time"]),
         "expires: after the entry"),
        ("consent-unsorted", "state", consented, fact(consented, items=[2, 1]), "items: in order"),
        ("withdrawn-unknown", "state", withdrawn, fact(withdrawn, consent=consented + 100), "a consent of the account"),
        ("withdrawn-twice", "state", withdrawn + 1, fact_at(withdrawn, withdrawn + 1), "not yet withdrawn"),
        ("hold-for-unknown", "state", placed, fact(placed, institution="nobody"), "a registered organization"),
        ("hold-of-nothing", "state", placed, fact(placed, items=[], effects={}), "some item"),
        ("hold-lapsed-at-once", "state", placed, fact(placed, deadline=LOG[placed][1]["time"]), "a deadline that lies ahead"),
        ("hold-overdraws", "state", placed, mutated(placed, lambda e: (
            fact_of(e)["items"][0].update(milli_credits=1501),
            fact_of(e)["effects"]["lot_changes"][0].update(available=-1501, reserved=1501))), "no negative amount"),
        ("hold-reserves-other", "state", placed, mutated(placed, lambda e: fact_of(e)["effects"]["lot_changes"][0].update(
            available=-601, reserved=601)), "the change of each item"),
        ("hold-of-another-category", "state", placed, mutated(placed, lambda e: fact_of(e)["items"][0].update(category="arts")),
         "the category of the lot"),
        ("hold-twice-of-a-lot", "state", placed, mutated(placed, lambda e: fact_of(e)["items"].append(
            {**first[0], "recognised": True})), "each item of another lot"),
        ("recognised-twice", "state", placed + 1, mutated(placed, lambda e: (
            e.update(index=placed + 1), fact_of(e).update(items=[first[1]], effects={}, request=request("RequestTransfer", 1)))),
         "an institution has of a lot at most what it was given"),
        ("reserved-without-hold", "state", released, effects(released, lot_changes=[
            {"entry": tea_2, "available": 100, "reserved": -100, "completion": LOG[opened][1]["case_opened"]["completion"]}]),
         "reserved by holds alone"),
        ("hold-unknown", "state", posted, fact(posted, hold=placed - 1), "a hold"),
        ("hold-of-another-account", "state", posted, fact(posted, account=OTHER_ACCOUNT), "the account of the hold"),
        ("more-taken-than-held", "state", posted, fact(posted, taken=[{"milli_credits": 601}, {}]), "at most what is held"),
        ("more-given-than-quoted", "state", posted, fact(posted, taken=[{"milli_credits": 400, "granted": 301}, {}]),
         "at most what was quoted"),
        ("nothing-taken", "state", posted, fact(posted, taken=[{}, {}]), "something is taken"),
        ("item-missing", "state", posted, fact(posted, taken=[{"milli_credits": 400}]), "what is taken of each item"),
        ("hold-ended-twice", "state", posted + 1, mutated(refused_hold, lambda e: (
            e.update(index=posted + 1), fact_of(e).update(hold=placed))), "a hold that has not ended"),
        ("hold-voided-for-nothing", "state", refused_hold, fact(refused_hold, cause=0), "a known cause"),
        ("declined-for-a-completion", "state", refused_hold, fact(refused_hold, completion=first[0]["completion"]),
         "a completion with REVERSED alone"),
        ("undone-for-another", "state", undone, fact(undone, completion={"index": 1, "end_day": 1}), "a completion of an item"),
        ("lapses-early", "state", lapsed, mutated(lapsed, lambda e: e.update(time=LOG[lapsed - 1][1]["time"])),
         "a deadline that has passed"),
        ("taken-back-under-a-hold", "state", undone, mutated(undone + 1, lambda e: (
            e.update(index=undone), fact_of(e)["effects"]["lot_changes"][0].update(available=-750, reversed=750))),
         "no hold stands on it"),
        ("replaces-unknown", "state", aid_2, effects(aid_2, replaces={"completion": {"index": 1, "end_day": 1}}),
         "a completion of the account"),
    ]
    return {
        "bank_id": BANK,
        "origin": ORIGIN,
        "entries": [{"fact": fact, "message": to_json("Entry", entry), "bytes": b.hex(), "leaf_hash": leaf_hash(b).hex()}
                    for (fact, entry), b in zip(LOG, ENTRY_BYTES)],
        "state": {"size": STORY, "rows": rows_json(state)},
        "refused": [{"name": name, "by": by, "rule": rule, "after": after, "bytes": b.hex()}
                    for name, by, after, b, rule in refused],
    }


# ---------------------------------------------------------------------------------------------------------------------
# Authorship: what leads from an entry to the platform's signature.


def authorship_vectors():
    keys = {LOG[i][1]["key_added"]["key_id"]: i for i in INDEX["KeyAdded"]}
    checks = []
    for i in INDEX["CompletionRecorded"] + INDEX["CompletionVoided"]:
        fact = next(v for k, v in LOG[i][1].items() if k in ("completion_recorded", "completion_voided"))
        origin = fact["origin"]
        if "submission" in origin:
            received = LOG[origin["submission"]][1]["submission_received"]
            leaves = [received["statement_hashes"][n:n + 32] for n in range(0, len(received["statement_hashes"]), 32)]
            key_id, signature = received["key_id"], received["signature"]
        else:
            leaves, key_id, signature = [origin["statement_hash"]], origin["key_id"], origin["signature"]
        text = submission_text(origin["organization"], key_id, len(leaves), Tree(leaves).root())
        checks.append({"entry": i, "submission": origin.get("submission", 0), "position": origin.get("position", 0),
                       "key": keys[key_id], "statement_hash": origin["statement_hash"].hex(),
                       "statements": len(leaves), "root": Tree(leaves).root().hex(), "text": text.decode(),
                       "signature": signature.hex()})

    tea_1 = INDEX["CompletionRecorded"][0]
    tea_2 = INDEX["CompletionRecorded"][1]

    def mutated(name, rule, index, change):
        entry = copy.deepcopy(LOG[index][1])
        change(entry["completion_recorded"]["origin"])
        return {"name": name, "rule": rule, "after": index, "bytes": encode("Entry", entry).hex()}

    def signed_by(key):
        def change(origin):
            text = submission_text(origin["organization"], key.id, 1, origin["statement_hash"])
            origin.update(key_id=key.id, signature=key.sign(text))
        return change

    def of(organization):
        def change(origin):
            origin["organization"] = organization
            signed_by(PLATFORM_KEY)(origin)
        return change

    late = len(LOG)
    revoked = copy.deepcopy(LOG[tea_1][1])
    revoked.update(index=late, time=LOG[-1][1]["time"])
    signed_by(PLATFORM_P256)(revoked["completion_recorded"]["origin"])
    refused = [
        mutated("statement-hash-edited", "the signature is over the statement's hash", tea_1,
                lambda o: o.update(statement_hash=flipped(o["statement_hash"]))),
        mutated("signature-edited", "the signature verifies", tea_1, lambda o: o.update(signature=flipped(o["signature"]))),
        mutated("key-unregistered", "a registered key", tea_1, signed_by(OTHER_KEY)),
        mutated("key-for-tokens", "a key to sign with", tea_1, signed_by(PLATFORM_TOKEN)),
        mutated("key-of-another-organization", "the organization's own key", tea_1, of(COLLEGE)),
        mutated("no-signature", "a key and a signature, or a submission", tea_1,
                lambda o: [o.pop("key_id"), o.pop("signature")]),
        mutated("signature-and-submission", "a key and a signature, or a submission", tea_2,
                lambda o: o.update(key_id=PLATFORM_KEY.id)),
        mutated("another-position", "the hash at the position", tea_2, lambda o: o.update(position=1)),
        mutated("position-outside", "a position in the submission", tea_2, lambda o: o.update(position=3)),
        mutated("submission-is-none", "an entry that received a submission", tea_2, lambda o: o.update(submission=tea_1)),
        mutated("submission-is-later", "an earlier entry", tea_2, lambda o: o.update(submission=tea_2 + 1)),
        {"name": "key-revoked", "rule": "a key that no earlier entry revokes", "after": late,
         "bytes": encode("Entry", revoked).hex()},
    ]
    return {"checks": checks, "refused": refused}


# ---------------------------------------------------------------------------------------------------------------------
# Tree and checkpoints


def tree_vectors():
    _, vkey = note_key(ORIGIN, LOG_KEY)
    _, other_vkey = note_key(ORIGIN, OTHER_LOG_KEY)
    size = len(LOG)

    def hexes(list_of_hashes):
        return [h.hex() for h in list_of_hashes]

    def checkpoint(n, origin=ORIGIN, key=LOG_KEY):
        text = checkpoint_text(n, TREE.root(0, n), origin)
        return {"size": n, "text": text, "signed": signed_note(text, origin, key)}

    inclusion = [{"index": i, "size": n, "proof": hexes(TREE.path(i, n))} for i, n in (
        (0, 1), (0, 5), (1, 5), (3, 5), (4, 5), (0, 256), (255, 256), (0, 257), (256, 257), (17, 260), (255, 260), (256, 260),
        (258, 260), (259, 260))]
    consistency = [{"old": m, "new": n, "proof": hexes(TREE.consistency(m, n))} for m, n in (
        (1, 5), (2, 5), (3, 5), (4, 5), (5, 5), (5, 260), (128, 256), (255, 257), (256, 257), (256, 260), (257, 260), (259, 260))]

    path = TREE.path(3, 5)
    no_prefix = sha256(ENTRY_BYTES[3])

    def proof(name, rule, leaf=None, index=3, of=5, path=path, root=None):
        return {"name": name, "rule": rule, "leaf_hash": (leaf or TREE.leaves[index]).hex(), "index": index, "size": of,
                "proof": hexes(path), "root": (root or TREE.root(0, of)).hex()}

    bad_inclusion = [
        proof("wrong-index", "the index decides the sides", leaf=TREE.leaves[3], index=2),
        proof("wrong-size", "the size decides the length", of=4, root=TREE.root(0, 5)),
        proof("index-beyond-size", "index < size", index=5, leaf=TREE.leaves[3]),
        proof("truncated", "a path of the right length", path=path[:-1]),
        proof("extended", "a path of the right length", path=path + [TREE.root(0, 5)]),
        proof("reversed", "from the leaf up", path=path[::-1]),
        proof("flipped-bit", "leads to the root", path=[flipped(path[0])] + path[1:]),
        proof("another-root", "leads to the root", root=TREE.root(0, 4)),
        proof("leaf-without-prefix", "a leaf hash begins with 00", leaf=no_prefix),
        proof("node-as-leaf", "a node hash begins with 01", leaf=leaf_hash(TREE.leaves[2] + TREE.leaves[3]), index=1, of=3,
              path=[TREE.root(0, 2), TREE.leaves[4]], root=TREE.root(0, 5)),
    ]

    steps = TREE.consistency(3, 5)

    def step(name, rule, old=3, new=5, path=steps, old_root=None, new_root=None):
        return {"name": name, "rule": rule, "old": old, "new": new, "proof": hexes(path),
                "old_root": (old_root or TREE.root(0, old)).hex(), "new_root": (new_root or TREE.root(0, new)).hex()}

    bad_consistency = [
        step("wrong-old-size", "the sizes decide the shape", old=2),
        step("wrong-new-size", "the sizes decide the shape", new=6),
        step("old-above-new", "old <= new", old=5, new=3),
        step("truncated", "a proof of the right length", path=steps[:-1]),
        step("extended", "a proof of the right length", path=steps + [TREE.leaves[0]]),
        step("empty", "a proof of the right length", path=[]),
        step("flipped-bit", "leads to both roots", path=[flipped(steps[0])] + steps[1:]),
        step("another-old-root", "leads to the old root", old_root=TREE.root(0, 2)),
        step("another-new-root", "leads to the new root", new_root=TREE.root(0, 6)),
        step("two-roots-of-one-size", "one size, one root", old=5, new=5, path=[], old_root=TREE.root(0, 4)),
        step("not-the-empty-tree", "the root of no leaves is SHA-256 of nothing", old=0, path=[], old_root=TREE.leaves[0]),
    ]

    text = checkpoint_text(5, TREE.root(0, 5))
    lines = text.split("\n")

    def resigned(name, text):
        return {"name": name, "by": "text", "signed": signed_note(text, ORIGIN, LOG_KEY)}

    good = signed_note(text, ORIGIN, LOG_KEY)
    other_origin = "other.example/log"
    bad_checkpoints = [
        resigned("size-leading-zero", f"{ORIGIN}\n05\n{lines[2]}\n"),
        resigned("size-plus", f"{ORIGIN}\n+5\n{lines[2]}\n"),
        resigned("size-negative", f"{ORIGIN}\n-5\n{lines[2]}\n"),
        resigned("size-hexadecimal", f"{ORIGIN}\n0x5\n{lines[2]}\n"),
        resigned("root-short", f"{ORIGIN}\n5\n{b64(TREE.root(0, 5)[:31])}\n"),
        resigned("root-unpadded", f"{ORIGIN}\n5\n{lines[2].rstrip('=')}\n"),
        resigned("extension-line", text + "more\n"),
        resigned("two-lines", f"{ORIGIN}\n5\n"),
        {"name": "no-signature", "by": "text", "signed": text},
        {"name": "crlf", "by": "text", "signed": good.replace("\n", "\r\n")},
        {"name": "hyphen-for-dash", "by": "text", "signed": good.replace("—", "-")},
        {"name": "no-last-line-feed", "by": "text", "signed": good[:-1]},
        {"name": "signature-flipped", "by": "signature",
         "signed": signed_note(text, ORIGIN, LOG_KEY, flipped(LOG_KEY.sign(text.encode()), 0))},
        {"name": "another-key", "by": "signature", "signed": signed_note(text, ORIGIN, OTHER_LOG_KEY)},
        {"name": "another-key-under-this-id", "by": "signature",
         "signed": signed_note(text, ORIGIN, LOG_KEY, OTHER_LOG_KEY.sign(text.encode()))},
        {"name": "size-edited", "by": "signature", "signed": good.replace("\n5\n", "\n6\n")},
        {"name": "another-origin", "by": "origin",
         "signed": signed_note(text.replace(ORIGIN, other_origin), ORIGIN, LOG_KEY)},
    ]

    def tiled(level, index, width, path):
        return {"level": level, "index": index, "width": width, "path": path, "data": TREE.tile(level, index, width).hex(),
                "sha256": sha256(TREE.tile(level, index, width)).hex()}

    return {
        "origin": ORIGIN,
        "log_key": derived("key log").hex(),
        "vkey": vkey,
        "other_vkey": other_vkey,
        "roots": [{"size": n, "root": TREE.root(0, n).hex()}
                  for n in (0, 1, 2, 3, 4, 5, 127, 128, 255, 256, 257, 259, size)],
        "tiles": [tiled(0, 0, 5, "tile/0/000.p/5"), tiled(0, 0, 256, "tile/0/000"), tiled(0, 1, 4, "tile/0/001.p/4"),
                  tiled(1, 0, 1, "tile/1/000.p/1")],
        "tile_paths": [{"level": l, "index": n, "width": w, "path": p} for l, n, w, p in (
            (0, 0, 256, "tile/0/000"), (0, 999, 1, "tile/0/999.p/1"), (0, 1234067, 256, "tile/0/x001/x234/067"),
            (63, 1000, 255, "tile/63/x001/000.p/255"))],
        "inclusion": inclusion,
        "consistency": consistency,
        "checkpoints": [checkpoint(1), checkpoint(5), checkpoint(256), checkpoint(size - 1)],
        "continued": {
            "origin": NEXT_ORIGIN,
            "log_key": derived("key next log").hex(),
            "vkey": note_key(NEXT_ORIGIN, NEXT_LOG_KEY)[1],
            "checkpoints": [checkpoint(size, NEXT_ORIGIN, NEXT_LOG_KEY)],
        },
        "refused": {"inclusion": bad_inclusion, "consistency": bad_consistency, "checkpoints": bad_checkpoints},
    }


# ---------------------------------------------------------------------------------------------------------------------
# Store and anchor


def store_vectors():
    tree_5 = {"size": 5, "time": LOG[4][1]["time"], "root": TREE.root(0, 5), "partial_leaves": TREE.tile(0, 0, 5)}
    tree_260 = {"size": 260, "time": LOG[259][1]["time"], "root": TREE.root(), "partial_leaves": TREE.tile(0, 1, 4)}
    statement_id = STATEMENTS["tea-1"]["id"]
    request_id = LOG[3][1]["organization_registered"]["request"]["request_id"]
    keys = [
        ("meta format", table(1, b"format")),
        ("meta tree", table(1, b"tree")),
        ("meta directory", table(1, b"directory")),
        ("meta origins", table(1, b"origins")),
        ("entry 259", table(2, u64(259))),
        ("tile 1 of level 2", table(3, b"\x02", u64(1))),
        ("statement of organization 3", table(4, u64(3), statement_id)),
        ("account", table(5, ACCOUNT)),
        ("week of 2026-03-10 of the account", table(6, ACCOUNT, week_of(days("2026-03-10")).to_bytes(4, "big"))),
        ("organization", table(7, PLATFORM.encode())),
        ("key", table(8, PLATFORM_KEY.id)),
        ("officer", table(9, b"officer-1")),
        ("course 13", table(0x0A, u64(13))),
        ("course name", table(0x0B, b"xihu-college\0tea-101\x002026")),
        ("policy", table(0x0C, POLICY_HASH)),
        ("case 21", table(0x0D, u64(21))),
        ("queue: status 1, risk 3, case 21", table(0x0E, b"\x01\xfc", u64(21))),
        ("feed of organization 3, block 1", table(0x0F, u64(3), u64(1))),
        ("request of an officer", table(0x10, b"officer:officer-1\0RegisterOrganization\0", request_id)),
        ("reject in slot 7 of organization 3", table(0x11, u64(3), (7).to_bytes(4, "big"))),
        ("rejects of organization 3", table(0x11, u64(3))),
        ("case 21 ends in a second", table(0x12, b"\x01", u64(1_000_000), u64(21))),
        ("case 21 is due in a second", table(0x12, b"\x02", u64(1_000_000), u64(21))),
        ("case 21, which an officer has", table(0x13, b"officer-1\0", u64(21))),
        ("record of another system", table(4, u64(0), LOG[INDEX["OpeningBalanceRecorded"][0]][1]["opening_balance_recorded"]["origin"]["source_id"])),
        ("hold", table(0x1D, u64(INDEX["HoldPlaced"][0]))),
        ("hold of an account", table(0x1E, b"\x01", ACCOUNT, u64(INDEX["HoldPlaced"][0]))),
        ("hold for an organization", table(0x1E, b"\x02", u64(3), u64(INDEX["HoldPlaced"][0]))),
        ("time of a hold", table(0x1F, u64(LOG[INDEX["HoldPlaced"][0]][1]["hold_placed"]["deadline"]), u64(INDEX["HoldPlaced"][0]))),
        ("clawback", table(0x17, u64(INDEX["ClawbackProposed"][0]))),
        ("import", table(0x15, u64(INDEX["OpeningBalancesProposed"][0]))),
        ("merge", table(0x16, u64(INDEX["AccountMergeProposed"][0]))),
        ("agreement", table(0x1A, sha256(NEXT_AGREEMENT))),
        ("consent", table(0x1B, ACCOUNT, u64(INDEX["ConsentGranted"][-1]))),
        ("consent to an organization", table(0x19, u64(3), u64(INDEX["ConsentGranted"][-1]))),
    ]

    def slot(sequence, data, magic=b"CBANCHOR", length=None):
        head = magic + u64(sequence) + (len(data) if length is None else length).to_bytes(4, "big")
        return head + sha256(head + data) + data

    def anchor_file(even, odd):
        return [{"offset": offset, "bytes": b.hex()} for offset, b in ((0, even), (16384, odd)) if b is not None]

    first = signed_note(checkpoint_text(5, TREE.root(0, 5)), ORIGIN, LOG_KEY).encode()
    second = signed_note(checkpoint_text(260, TREE.root(), NEXT_ORIGIN), NEXT_ORIGIN, NEXT_LOG_KEY).encode()
    anchors = [
        ("first save", anchor_file(None, slot(1, first)), first),
        ("second save", anchor_file(slot(2, second), slot(1, first)), second),
        ("third save", anchor_file(slot(2, first), slot(3, second)), second),
        ("third save torn", anchor_file(slot(2, first), slot(3, second)[:-1]), first),
        ("third save with a flipped bit", anchor_file(slot(2, first), flipped(slot(3, second), 60)), first),
        ("slot of the wrong parity", anchor_file(slot(2, first), slot(4, second)), first),
        ("slot of another kind", anchor_file(slot(2, first), slot(3, second, b"CBANCHOS")), first),
    ]
    bad_anchors = [
        ("nothing valid", anchor_file(None, None)),
        ("both torn", anchor_file(flipped(slot(2, second)), flipped(slot(1, first)))),
        ("length beyond the slot", anchor_file(slot(2, second, length=16384 - 51), None)),
    ]
    return {
        "format": 2,
        "keys": [{"name": name, "key": key.hex()} for name, key in keys],
        "rows": [
            {"size": 5, "key": table(1, b"format").hex(), "value": u64(2).hex()},
            {"size": 5, "key": table(1, b"tree").hex(), "type": "TreeRow", "message": to_json("TreeRow", tree_5)},
            {"size": 260, "key": table(1, b"tree").hex(), "type": "TreeRow", "message": to_json("TreeRow", tree_260)},
            {"size": 260, "key": table(1, b"origins").hex(), "value": u64(259).hex()},
            {"size": 260, "key": table(2, u64(0)).hex(), "value": ENTRY_BYTES[0].hex()},
            {"size": 260, "key": table(2, u64(259)).hex(), "value": ENTRY_BYTES[259].hex()},
            {"size": 260, "key": table(3, b"\0", u64(0)).hex(), "value": TREE.tile(0, 0, 256).hex()},
        ],
        "anchor": {
            "file_size": 32768,
            "files": [{"name": name, "slots": slots, "anchor": data.decode()} for name, slots, data in anchors],
            "refused": [{"name": name, "slots": slots} for name, slots in bad_anchors],
        },
    }


FILES = {
    "statements.json": statement_vectors,
    "names.json": name_vectors,
    "keys.json": key_vectors,
    "sealed.json": sealed_vectors,
    "entries.json": entry_vectors,
    "authorship.json": authorship_vectors,
    "tree.json": tree_vectors,
    "store.json": store_vectors,
}


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    different = []
    for name, make in FILES.items():
        content = json.dumps(make(), ensure_ascii=False, indent=1) + "\n"
        path = os.path.join(folder, name)
        if check:
            with open(path, encoding="utf-8", newline="") as f:
                if f.read() != content:
                    different.append(name)
        else:
            with open(path, "w", encoding="utf-8", newline="") as f:
                f.write(content)
    if different:
        sys.exit("differs: " + ", ".join(different))


if __name__ == "__main__":
    main()
