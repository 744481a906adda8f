"""What a target is told of a call: in a language model's words, or in the caller's own."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import attrs

from calltransfer.briefing import DATA_RULE, SPACELESS, Utterance, as_data, normalised
from calltransfer.call import Call, Summary, TransferRequest
from calltransfer.errors import ConfigurationError, NoTextModel
from calltransfer.fields import seconds
from calltransfer.hook import NotInTime, within
from calltransfer.masking import shown
from calltransfer.wording import fields_of

logger = logging.getLogger("calltransfer")

SUMMARY_TIMEOUT = 5.0
"""Seconds for a summary: the target may answer the first ring."""

SUMMARY_WORDS = 30
"""Words of a summary: about twelve seconds of speech, for somebody who has just picked up."""

PROMPT: Final = (
    "Summarise a phone call for a human who is about to take it over and will hear you say the summary. At most "
    "{words} spoken words, in the language the caller speaks, in one or two plain sentences about the caller: who they "
    "are if they said so, what they need, and what was already tried. Say only what is in the record of the call. No "
    "greeting, no preamble, no question, no advice, no list and no markdown. Answer with the summary alone."
)

_LONGEST_WAIT = 60.0
_FEWEST_WORDS, _MOST_WORDS = 5, 200
_FEWEST_OF_ANSWER = 2
"""Spoken words of a model's answer: one alone says neither who nor what."""
_LONGEST_ANSWER = 4000
"""Characters of an answer that are looked at."""
_RECENT = 10
"""The caller's latest utterances, among which the telling ones are looked for."""

_WORD = re.compile(rf"[{SPACELESS}]{{1,2}}[^\w\s]*|[^\s{SPACELESS}]+")
"""A spoken word: without spaces between words, two characters are about as long to say as a word."""
_PAIRS = re.compile(f"[{SPACELESS}\uac00-\ud7a3]+")
"""What is compared by pairs of characters: its words cannot be told apart, or change their endings (Korean)."""
_SENTENCE_END = re.compile(r"(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bNo)[.!?।][\"'”’»)]*(?=\s|$)|[。！？]")

_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.IGNORECASE | re.DOTALL)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_TAG = re.compile(r"</?[a-zA-Z!?][^<>]*>")
_LINE_MARK = re.compile(r"^\s*(?:(?:#{1,6}|[-*+•–—]|\d{1,2}[.)])\s+|>\s*)+")
_MARKS = re.compile(r"\*+|`+(?:\w+$)?|~~|__|\||^[-=_\s]+$")
_QUOTES = " \t\"“”„«»'‘’"
_PREAMBLE = re.compile(
    r"^(?:(?:sure|certainly|of course|okay|ok)\b[,.! ]+)?"
    r"(?:here(?:'s|’s| is)\b[^:.]{0,60}:|(?:call |brief |short |spoken )*summary(?: of the (?:phone )?call)?\s*[:.–—-])\s*",
    re.IGNORECASE,
)

# In the words of `normalised`: no case, accents, apostrophes or punctuation.
_SPEAKS_OF_ITSELF = re.compile(
    r"^(?:(?:im|i am|we are|were) (?:so |very )?sorry|sorry (?:but )?i|unfortunately i|i apologi[sz]e|my apologies"
    r"|i (?:cannot|cant|can not|can|am unable|am not able|do not have|dont have|did not|didnt|would need|see no)"
    r"|im (?:unable|not able|afraid|here|ready|happy)|hello|hi|good (?:morning|afternoon|evening)|thank you for|thanks for"
    r"|sure|certainly|of course|please provide|there (?:is|was|were) no (?:summary|transcript|conversation|information)"
    r"|lo siento|lamento|disculp[ae]|hola|je suis desole|desole|bonjour|es tut mir leid|tut mir leid|leider kann ich"
    r"|unable to|cannot (?:comply|help|assist|summari[sz]e|provide)|one moment\b|please (?:share|send)"
    r"|(?:the |this )?(?:transcript|conversation|call|record) (?:is empty|has not started|does not contain|contains no)"
    r"|(?:okay |ok )?(?:i will|ill|let me) (?:transfer|connect|summari[sz]e|help)"
    r"|no puedo|je ne (?:peux|suis)"
    r"|(?:no es posible|no se puede|nao e possivel|non e possibile) (?:resumir|hacer un|ayudar|ajudar|fornecer|riassumere)"
    r"|ich kann (?:nicht|ihnen|dir|leider|diese|das|keine)"
    r"|nao posso|non posso"
    r"|guten tag|hallo|desculpe|sinto muito|ola|mi dispiace|buongiorno|salve|namaste)\b"
    r"|^(?:नमस्ते|मुझे खेद|माफ कीजिए|抱歉|很抱歉|对不起|您好|你好|申し訳|안녕하세요|죄송)"
)
_ONLY_AN_ASSISTANT_SAYS = re.compile(
    r"\b(?:as|im|i am) an? (?:ai|artificial|language model|virtual)\b|\blanguage model\b"
    r"|\bhow (?:can|may|could) i (?:help|assist|be of)\b|\b(?:here|happy|glad|ready) to (?:help|assist)\b"
    r"|\b(?:can|may) i (?:help|assist) you\b|\bno summary\b|\bsummary (?:is |was )?(?:not |un)available\b"
    r"|\b(?:unable|not able|nothing|not possible|cannot|cant) (?:to )?summari[sz]e\b"
    r"|\bprovide (?:me |the |a |with )*transcript\b"
    r"|\b(?:not enough|insufficient) (?:information|context|details)\b|\bkeine informationen (?:vor|vorhanden|verfugbar)\b"
    r"|无法(?:提供|总结)|無法(?:提供|總結)|没有足够|沒有足夠|要約できません"
    r"|\bcomo (?:un |una |um |uma )?(?:ia|modelo de lenguaje|modelo de linguagem|asistente virtual|assistente virtual)\b"
    r"|\b(?:puedo|podria) ayudar(?:le|te)\b|\bposso ajuda-?r?\b|\bposso aiutar(?:la|ti)\b|\bpuis je vous aider\b"
    r"|\bkann ich (?:ihnen|dir) (?:helfen|behilflich)\b|\bals (?:ki|sprachmodell)\b"
    r"|\ben tant qu(?:e )?ia\b|\bcome ia\b|\bmadad kar sakt"
    r"|सहायता कर सकत|मदद कर सकत|帮您|为您服务|お手伝い|도와드릴"
)
_IN_EVERY_CALL = frozenset(
    normalised(
        "yes yeah yep no nope ok okay uh um hm hmm oh ah well so right sure fine hi hey hello there thanks thank you "
        "please bye goodbye good great alright morning afternoon evening today i im me my we you your it its is are am "
        "be the a an and or but to of in on for with from this that these those what which who when where how can "
        "could would will should have has had been was were they them their want wants need needs like likes help "
        "helps assist assistance call calls called caller calling phone agent assistant human person someone somebody "
        "speak speaking talk talking about some something anything more just also then than here know tell said says "
        "transfer transferred transferring summary conversation customer question questions let do does did not "
        "si hola gracias favor buenos buenas dias tardes para como esta este usted quiero quiere puede puedo ayuda "
        "ayudar con por que una las los llamada cliente persona hablar "
        "oui non bonjour merci vous pour avec dans suis votre nous est les des une que aide aider appel client "
        "ja nein hallo guten tag danke bitte ich sie der die das und ist nicht eine einen einem haben kann möchte "
        "hilfe helfen anruf anrufer kunde "
        "sim não olá obrigado obrigada bom boa você com uma quero posso ajuda ajudar ligação "
        "buongiorno grazie prego sono come posso vorrei aiuto aiutare chiamata "
        "haan han nahi nahin ji namaste main mujhe kya hai theek acha accha aap hoon "
        "हाँ हां नहीं जी नमस्ते मैं मुझे क्या है ठीक अच्छा आप हूँ को से में का की के "
        "你好 您好 谢谢 请问 是的 好的 我想 需要 客户 来电 可以 什么 はい いえ もし です ます した して いる お客 客様 "
        "네 예 아니요 여보세요 안녕 녕하 하세 세요 니다 습니 합니 고객"
    ).split()
)
"""Words that tell no call from another."""

# Beside those of every call; of a script without spaces, parts of words. In the words of `normalised`.
_IN_EVERY_SUMMARY = _IN_EVERY_CALL | frozenset(
    normalised(
        "issue issues problem problems matter matters request requests requesting requested inquiry inquiries enquiry "
        "concern concerns concerning regarding reason reasons purpose details detail information service support "
        "assisted helped asks asking asked looking seeking seeks called contact contacted contacting further additional "
        "certain specific various general unknown unclear unspecified not no none given gave give provided provide "
        "state stated specify specified mention mentioned yet only their its his her he she user line other another "
        "necesita necesitan solicita pide problema asunto consulta asistencia agente humano informacion algo un el la "
        "su de en del al se ha quien que no desea llama llamante "
        "a besoin daide dassistance lappelant demande demandeur appelant appelle probleme question assistance agent "
        "humain conseiller parler il elle souhaite veut de du le la un son sa au "
        "braucht benotigt mochte will wunscht bittet um hat frage fragen problem anliegen unterstutzung mitarbeiter "
        "menschen person sprechen mit einer einem eines den dem des ein er es zu im bei etwas ruft an wegen kundin "
        "precisa deseja pede problema assunto duvida atendente humano falar um uma o a de do da em tem "
        "ha bisogno di chiede vuole desidera problema domanda assistenza operatore umano parlare un una il lo la con "
        "cliente chiamante "
        "ग्राहक मदद सहायता चाहिए चाहता चाहती समस्या सवाल बात करना "
        "客户 客戶 顾客 顧客 用户 来电者 来电 需要 帮助 协助 问题 人工 客服 服务 咨询 想要 希望 一些 有 "
        "お客様 顧客 支援 助け サポート 必要 希望 質問 問題 担当者 して います しています です ます "
        "고객이 고객은 고객 도움이 도움을 도움 필요합니다 필요 원합니다 문의 상담원 문제 있습니다 합니다"
    ).split()
)
"""Words that tell no summary from another: one of nothing but these says no more than that somebody calls."""
_GENERIC_PARTS = re.compile(
    "|".join(map(re.escape, sorted(filter(_PAIRS.fullmatch, _IN_EVERY_SUMMARY), key=len, reverse=True)))
)


def counted(text: str) -> int:
    """Returns how many spoken words `text` has."""
    return sum(1 for _ in _WORD.finditer(text))


def cut(text: str, *, words: int) -> str:
    """Returns the beginning of `text`, at most `words` spoken words, ended where a word ends."""
    ends = [found.end() for found in _WORD.finditer(text)]
    return text if len(ends) <= words else text[: ends[words - 1] if words else 0]


def telling(text: str) -> frozenset[str]:
    """Returns the words of `text` that not every call has; of a script without spaces, pairs of characters."""
    found: set[str] = set()
    for word in normalised(text).split():
        runs = _PAIRS.findall(word)
        found.update(run[i : i + 2] for run in runs for i in range(len(run) - 1))
        if not runs:
            found.add(word)
    return frozenset(found - _IN_EVERY_CALL)


def spoken(answer: str) -> str:
    """Returns what a model wrote as something that can be said: one line, without markup, preamble or quotes."""
    text = _TAG.sub(" ", _LINK.sub(r"\1", _THINKING.sub(" ", answer)[:_LONGEST_ANSWER]))
    lines = []
    for line in text.splitlines():
        unmarked = _LINE_MARK.sub("", line)
        plain = _MARKS.sub("", unmarked).strip()
        if plain:
            # A heading or an item of a list is a sentence of its own; a line of prose may go on in the next one.
            lines.append(f"{plain}." if unmarked != line.lstrip() and plain[-1].isalnum() else plain)
    joined = "".join(character if character.isprintable() else " " for character in " ".join(lines))
    return _PREAMBLE.sub("", " ".join(joined.split()).strip(_QUOTES)).strip(_QUOTES)


def shortened(text: str, *, words: int) -> str:
    """Returns `text` in at most one and a half times `words` words: whole sentences, where they fill half of `words`."""
    head = cut(text, words=words * 3 // 2)
    if head == text:
        return text
    ends = [found.end() for found in _SENTENCE_END.finditer(head)]
    if ends and counted(head[: ends[-1]]) * 2 >= words:
        return head[: ends[-1]]
    return head.rstrip(" ,;:-–—")


class SecondBest(str):
    """A summary in the place of another.

    Attributes:
        why: What was wrong with that one, in one line for a log, without a word of it.
    """

    __slots__ = ("why",)

    why: str

    def __new__(cls, text: str, why: str) -> "SecondBest":
        """Makes it."""
        made = super().__new__(cls, text)
        made.why = why
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.why


def refused(text: str, prompt: str = "") -> str | None:
    """Returns why `text` cannot be a summary that a model was asked for with `prompt`; None: it can be one.

    That is so of what is empty, a refusal, an assistant's phrase, or generic, in the languages that these phrases and words
    are known of. Whether it is true of the call cannot be told by its words: they may be in another language than the
    call's, and the best ones are nobody's own.
    """
    words = normalised(text)
    if not any(map(str.isalpha, words)):
        return "it is empty"
    if counted(words) < _FEWEST_OF_ANSWER:
        return "it is one word"
    if "{" in text or "}" in text:
        return "it is no text that could be spoken"
    if _SPEAKS_OF_ITSELF.search(words) or _ONLY_AN_ASSISTANT_SAYS.search(words):
        return "it is a refusal, or an assistant's phrase"
    if words in normalised(prompt):
        return "it repeats what was asked for"
    return None if _tells(words) else "it is generic and would fit any call"


def _tells(words: str) -> bool:
    for word in words.split():
        if word in _IN_EVERY_SUMMARY:
            continue
        if not _PAIRS.search(word):
            if len(word) > 1:
                return True
        elif any(len(run) > 1 for run in _GENERIC_PARTS.sub(" ", word).split()):
            return True
    return False


def _fields(template: str) -> set[str] | None:
    """Its fields; None: it is no template."""
    try:
        return fields_of(template)
    except ValueError:
        return None


def _template(field: str) -> Callable[[Any, "attrs.Attribute[Any]", Any], None]:
    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, str) or _fields(value) != {field}:
            raise ConfigurationError(
                f"{attribute.name}= is a sentence with {{{field}}} in it and no other field, not {shown(value)}"
            )

    return check


def _check_words(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not _FEWEST_WORDS <= value <= _MOST_WORDS:
        raise ConfigurationError(
            f"{attribute.name}= is a whole number of words from {_FEWEST_WORDS} to {_MOST_WORDS}, not {shown(value)}"
        )


def _check_prompt(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    fields = _fields(value) if isinstance(value, str) and value.strip() else None
    if fields is None or not fields <= {"words"}:
        raise ConfigurationError(
            f"{attribute.name}= says what to write; it may use {{words}} and no other field, "
            f"and a brace that is meant is written twice, not {shown(value)}"
        )


def _check_summary(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if isinstance(value, type) or not callable(getattr(value, "summarise", None)):
        raise ConfigurationError(
            f"{attribute.name}= takes a summary, such as ExtractiveSummary(), with "
            f"'async def summarise(self, call, request)', not {shown(value)}"
        )


@attrs.frozen(kw_only=True)
class ExtractiveSummary:
    """The reason for the transfer and the caller's own words: at once, without a model, and always the same.

    The caller is quoted word for word, with what of their last utterances tells most; when they have said nothing that
    does and no reason was given, the route is named.

    Attributes:
        words: How many words of the reason and the caller's are told; from 5 to 200.
        reason: The sentence for the reason, with `{reason}`. Give these in the language of the target.
        quote: The sentence for the caller's words, with `{words}`.
        route: The sentence where there are neither, with `{route}`.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    words: int = attrs.field(default=SUMMARY_WORDS, validator=_check_words)
    reason: str = attrs.field(default="The reason: {reason}.", validator=_template("reason"))
    quote: str = attrs.field(default='The caller said: "{words}"', validator=_template("words"))
    route: str = attrs.field(
        default="The call is for {route}. The caller has not said yet what it is about.", validator=_template("route")
    )

    async def summarise(self, call: Call, request: TransferRequest) -> str:
        """Returns the summary; see the class."""
        return self.of(call.transcript(), request)

    def of(self, transcript: Sequence[Utterance], request: TransferRequest) -> str:
        """Returns the summary of a call of which this was said.

        Args:
            transcript: What was said, in order.
            request: What was asked for.
        """
        lines = [" ".join(utterance.text.split()) for utterance in transcript if utterance.speaker == "caller"]
        lines = [line for line in lines[-_RECENT:] if telling(line)]
        reason = spoken(request.reason)
        parts = []
        left = self.words
        if telling(reason):
            reason = cut(reason, words=self.words // 2 if lines else self.words).rstrip(" .!?,;:-–—。！？।")
            left -= counted(reason)
            parts.append(self.reason.format(reason=reason))
        if lines:
            parts.append(self.quote.format(words=" ".join(map(_ended, _most_telling(lines, words=left)))))
        return " ".join(parts) or self.route.format(route=request.route.replace("_", " "))


def _most_telling(lines: Sequence[str], *, words: int) -> Iterable[str]:
    """The lines that tell most in this many words, in the order they were said; only the first one chosen is cut."""
    cuts = [cut(line, words=words) for line in lines]
    chosen: dict[int, str] = {}
    told: frozenset[str] = frozenset()
    for index in sorted(range(len(lines)), key=lambda index: (len(telling(cuts[index])), index), reverse=True):
        length = counted(cuts[index])
        if chosen and (cut(lines[index], words=words) != lines[index] or telling(cuts[index]) <= told):
            continue
        chosen[index] = cuts[index]
        told |= telling(cuts[index])
        words -= length
    return (chosen[index] for index in sorted(chosen))


def _ended(quote: str) -> str:
    quote = quote.rstrip(" ,;:-–—")
    return f"{quote}." if quote[-1:].isalnum() else quote


def _extractive(summary: "LLMSummary") -> Summary:
    return ExtractiveSummary(words=summary.words)


@attrs.frozen
class LLMSummary:
    """A summary by a language model, checked and cleaned before anybody hears it.

    What was said on the call is given to the model as data. Whatever goes wrong, `otherwise` is told instead; it never
    raises and takes `timeout` seconds at most.

    An answer is refused that is empty or one word, declines ("I cannot ..."), is an assistant's phrase ("How can I help
    you?"), repeats the prompt, or is generic: nothing but words of which every call is full ("The caller needs help").
    These phrases and words are known in English, Spanish, French, German, Portuguese, Italian, Hindi, Chinese, Japanese and
    Korean. Any other answer is told, in whatever language and words: whether it is true of the call is not checked. A
    refusal is logged as a warning with its reason, which is the detail of `Phase.SUMMARY_READY` too.

    Attributes:
        prompt: What the model is to write; may use `{words}`. That the record of the call is data is added to it.
        llm: The model; by default the agent's own. The agent's platform says which ones it takes.
        words: How many words to ask for; from 5 to 200. More than one and a half times as many are cut.
        timeout: Seconds in all, `otherwise` included; at most 60. One that needs no waiting, such as the default, is
            told even when the model has used them up.
        otherwise: The summary to fall back on.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    prompt: str = attrs.field(default=PROMPT, validator=_check_prompt, repr=False)
    llm: Any | None = attrs.field(default=None, kw_only=True, repr=False)
    words: int = attrs.field(default=SUMMARY_WORDS, kw_only=True, validator=_check_words)
    timeout: float = attrs.field(default=SUMMARY_TIMEOUT, kw_only=True, validator=seconds(at_most=_LONGEST_WAIT))
    otherwise: Summary = attrs.field(
        default=attrs.Factory(_extractive, takes_self=True), kw_only=True, validator=_check_summary
    )

    async def summarise(self, call: Call, request: TransferRequest) -> str:
        """Returns the summary; see the class."""
        deadline = asyncio.get_running_loop().time() + self.timeout
        why = ""
        for attempt in (self._by_model, self.otherwise.summarise):
            try:
                left = deadline - asyncio.get_running_loop().time()
                summary = await within(left, attempt(call, request))
                if isinstance(summary, str) and summary.strip():
                    return SecondBest(summary, why) if why else summary
                if attempt != self._by_model:
                    # Only what kind of thing it is: it may quote the call.
                    what = "no words" if isinstance(summary, str) else f"{type(summary).__name__} and no text"
                    logger.error("%s, otherwise= of LLMSummary, returned %s", type(self.otherwise).__name__, what)
            except _Refused as refusal:
                why = f"the model's summary is refused: {refusal}; another one is told"
                logger.warning("%s. Try prompt= or llm= of LLMSummary", why)
            except Exception as error:
                # Only its type: what an error says may quote the call.
                name = f"no answer within {self.timeout:g} s" if isinstance(error, NotInTime) else type(error).__name__
                why = why or f"the model gave no summary: {name}; another one is told"
                logger.log(
                    # An agent with a realtime model has none that could be asked: that is so of each of its calls.
                    logging.INFO if isinstance(error, NoTextModel) else logging.WARNING,
                    "a summary could not be made: %s; does llm= of LLMSummary take text, and answer within its timeout=?",
                    name,
                )
        told = ExtractiveSummary(words=self.words).of((), request)
        return SecondBest(told, why) if why else told

    async def _by_model(self, call: Call, request: TransferRequest) -> str | None:
        transcript = [utterance for utterance in call.transcript() if utterance.text.strip()]
        if not transcript:
            return None
        asked = self.prompt.format(words=self.words)
        answer = await call.ask_model(
            f"{asked}\n\n{DATA_RULE}", as_data(transcript, reason=request.reason), llm=self.llm
        )
        summary = shortened(spoken(answer), words=self.words)
        why = refused(summary, f"{asked} {DATA_RULE}")
        if why is not None:
            raise _Refused(why)
        return summary


class _Refused(Exception):
    """The model's answer is no summary, and why."""
