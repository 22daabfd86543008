"""The words that tell a telephone number from another number, in texts and in names of arguments."""

from __future__ import annotations

import re
from enum import IntEnum


class Evidence(IntEnum):
    """What speaks for a telephone number, weakest first."""

    AGAINST = -1
    NONE = 0
    FORM = 1  # written as telephone numbers are
    SAID = 2  # somebody is to be called on it
    CERTAIN = 3  # called a telephone number, or written with a country's code


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PHONE = re.compile(
    r"(?:phone|mobile|cell|cellphone|handphone|smartphone|landline|hotline|helpline|tel|telephone|fax|whatsapp"
    r"|msisdn|callback|handy|mobil|movil|móvil|portable|celular|telefon|telefax|teléfono|telefono|téléphone"
    r"|telefone|tél|telefoon|puhelin|電話|电话|手机|手機|전화|โทร|телефон|هاتف|फ़ोन)s?"
    r"|(?:telefon|handy|mobil|mobilfunk|ruf|fax|rückruf)nummer"
    r"|(?:user|customer|contact|client|home|work)?phone(?:number|num|no|nr)?"
)
NUMBER = _words("number numbers num no nr nummer numero número numéro номер 号码 號碼 番号 번호 digits nº n°")
THING = _words(
    "order orders parcel parcels package packages shipment shipments delivery tracking track"
    " consignment invoice invoices bill receipt account accounts ticket tickets case incident"
    " claim policy contract booking reservation confirmation transaction payment refund purchase"
    " product item article sku part model serial batch lot license licence passport vehicle flight"
    " train room badge document file record entry row issue bug job task run session request event"
    " timestamp epoch unix version build isbn ean barcode coordinates coordinate latitude"
    " longitude mail mails email emails letter calls texts messages thread chat bestellung auftrag"
    " rechnung paket sendung konto vorgang buchung kunde commande facture colis compte dossier"
    " pedido factura paquete cuenta envío reserva ordine fattura pacco conto 订单 訂單 快递 包裹"
    " 发票 账号 帳號 单号"
)
IDENTIFIER = _words("id ids identifier ref reference code key pin uuid guid hash token index position pnr")
CONTENT = _words("message messages text texts mail mails email emails letter chat calls call")
"""What carries words of a user, whose name says nothing about a number in them."""
TIME = _words(
    "time date day month year timestamp epoch seconds minutes hours duration amount price total count"
)
PAYMENT = _words("card cards credit debit pan payment account iban visa mastercard amex cc")
"""Names of arguments that hold numbers of cards."""
OWNER = _words(
    "my this that target dest incoming outgoing his her their our your its the whose mine new old"
    " same a contact caller callback emergency recipient receiver destination sender home work"
    " office business private direct support to at on under from via save store add block unblock"
    " dial call ring try use enter send forward text message give"
)
"""What may stand before "number" where a telephone number is meant."""
DIALS = _words(
    "dial dials dialed dialled ring reach contact sms ruf rufe anrufen appelle appelez appeler"
    " llama llame llamar chiama chiamare bel ligue ligar zadzwoń позвони 拨打 撥打 打"
)
CALLS = _words("call text message")
"""Verbs, and nouns too: `call 5552345678` and `what came of call 20391827`."""
VERB_FOLLOWS = _words(
    "please to and then you i we they just or should will must can could would t let lets me us"
    " now also not hey ok okay hi hello kindly never always ll gonna but so bitte who siri alexa"
    " google cortana computer jarvis d"
)
REACHED = _words("on at under via to unter auf au al en el sur")
FILLER = _words("is was are be s ist war est es são é the ab an me back him them us it up again")
TOPIC = _words("about regarding concerning re wegen über bezüglich")
BELONGS = _words("of for with from in by")

_JOINT = re.compile(r"(?<=[a-zà-ÿ]{2})(?<!Whats)(?=[A-Z])")
TOKEN = re.compile(r"[^\W\d_]+(?:['\u2019]s\b)?|[#?!;,.]|\d+")
"""Words, digits and the signs that end or join a phrase."""


def spaced(text: str) -> str:
    """A text in which `orderId` is two words."""
    return _JOINT.sub(" ", text)


def is_phone(word: str) -> bool:
    """Whether a word, in small letters, is one for a telephone."""
    return _PHONE.fullmatch(word) is not None


def is_other(word: str) -> bool:
    """Whether a word, in small letters, names something else that has numbers."""
    return word in THING or word in IDENTIFIER or (word.endswith("nummer") and word not in NUMBER)
