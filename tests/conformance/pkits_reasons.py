"""Why some paths that PKITS calls valid are refused. None that it calls invalid is accepted."""

import re

REFUSED_ON_PURPOSE = {
    r"BasicSelfIssued\w+|SeparateCertificateandCRLKeys\w+": (
        "a CRL that another key of the CA signed than the one that signed the certificate does not say good"
    ),
    r"SelfIssuedpathLenConstraint\w+": "self-issued certificates count like others",
    r"(?:DN|DNandRFC822)nameConstraints\w+|URInameConstraints\w+": (
        "constraints on directory names and addresses are not understood, so the path is refused"
    ),
    r"DSA\w+": "DSA keys are refused",
    r"GeneralizedTimenotBefore\w+": "dates before 2050 are written as UTCTime (RFC 5280 §4.1.2.5)",
    r"IDPwithindirectCRL\w+|cRLIssuer\w+": "an indirect CRL may revoke, and never says good",
    r"NameChaining\w+|Rollover\w+|UTF8StringCaseInsensitive\w+": "names are compared byte for byte",
    r"(?:SelfIssued)?(?:PolicyMapping|inhibitAnyPolicy|inhibitPolicyMapping|requireExplicitPolicy)\w+": (
        "critical extensions about policies are not understood, so the path is refused"
    ),
    r"deltaCRLTest5": "a delta CRL may revoke; it takes no revocation back",
    r"distributionPointTest[1457]": "distribution points are compared by their addresses, and these have none",
    r"onlyContainsCACertsTest13|pathLenConstraintTest(?:8|14)": "a CA's certificate is no caller's",
    r"onlySomeReasonsTest1[89]": "a CRL for some reasons only may revoke, and never says good",
}


def why_refused(name: str) -> str | None:
    """Return the reason for which this valid path is refused; None where it should not be."""
    for pattern, reason in REFUSED_ON_PURPOSE.items():
        if re.fullmatch(pattern, name):
            return reason
    return None
